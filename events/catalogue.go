package events

// Catalogue knows the types of events.
type Catalogue struct{}

// Package events keeps what people and programs are to be told in a log of each company, and hands it out to the devices
// of users, live and later alike.
//
// An Event goes to one Room. Event.Record puts it into the log in the transaction of what it tells of; the log's order is
// that of the commits. A Feed is one device that listens: it reads the log from its cursor on, from memory where it can,
// and waits at the end. So nothing is queued for anybody, and a device that was away reads what it has missed from the
// same place. An event can come to a device again after a connection was cut: its ID tells.
//
// The log is kept for Options.TTL. A device that was away for longer is told of the gap.
package events

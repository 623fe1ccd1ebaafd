package wire

// Decode reads one frame. Data fields of the message alias frame; everything else is copied.
func Decode(frame []byte, lim Limits) (Message, error) { return nil, ErrMalformed }

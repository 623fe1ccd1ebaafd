package protocol

// Flags is the optional last field of a message. nil = the field is absent,
// which is how cores before 0.5.4 write; empty but not nil = present. Bytes
// below 0x80 are legacy capability codes, the others are bit fields.
type Flags []byte

const (
	legacyV2 = 0x02

	bitField       = 0x80
	bitReset       = 0x01 // the receiver shall forget what it has sent
	bitReadOnly    = 0x02 // the sender won't apply changes
	bitKnowsResets = 0x04 // the sender understands bitReset
)

// V2 reports whether the sender takes V2 messages, whole-document chunks
// included: any flags field says so.
func (f Flags) V2() bool { return f != nil }

// Reset reports whether the sender wants everything again.
func (f Flags) Reset() bool { return f.bits()&bitReset != 0 }

// ReadOnly reports whether the sender won't apply changes.
func (f Flags) ReadOnly() bool { return f.bits()&bitReadOnly != 0 }

// KnowsResets reports whether the sender understands Reset.
func (f Flags) KnowsResets() bool { return f.bits()&bitKnowsResets != 0 }

func (f Flags) bits() (bits byte) {
	for _, b := range f {
		if b&bitField != 0 {
			bits |= b &^ bitField
		}
	}
	return bits
}

package wire

// Limits bound what Decode accepts. A zero field means its default.
type Limits struct {
	Frame      int // bytes of a frame; 16 MiB
	Depth      int // nested maps, arrays and tags, the message's own map included; 16
	Items      int // CBOR items in a frame, at every depth; 32,768
	PeerID     int // bytes of senderId and targetId; 1,024
	StorageID  int // bytes of a storage ID; 256
	SessionID  int // bytes of sessionId; 256
	Text       int // bytes of any other text that is kept, such as an error's message; 4,096
	Token      int // bytes of a token; 8,192
	StorageIDs int // entries each of add, remove and newHeads; 1,024
	Heads      int // heads of one storage ID in newHeads; 1,024
	Versions   int // entries of supportedProtocolVersions; 16
}

// maxFields bounds the fields of a message and of peerMetadata, known and unknown together.
const maxFields = 32

func (l Limits) withDefaults() Limits {
	orDefault(&l.Frame, 16<<20)
	orDefault(&l.Depth, 16)
	orDefault(&l.Items, 32768)
	orDefault(&l.PeerID, 1024)
	orDefault(&l.StorageID, 256)
	orDefault(&l.SessionID, 256)
	orDefault(&l.Text, 4096)
	orDefault(&l.Token, 8192)
	orDefault(&l.StorageIDs, 1024)
	orDefault(&l.Heads, 1024)
	orDefault(&l.Versions, 16)
	return l
}

func orDefault(value *int, standard int) {
	if *value == 0 {
		*value = standard
	}
}

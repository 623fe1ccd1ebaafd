package wire

// Limits bound what Decode accepts. A zero field means its default.
type Limits struct {
	Frame      int // bytes of a frame; 16 MiB
	Depth      int // nested maps, arrays and tags, the message itself included; 16
	Items      int // entries of a map or array inside a field that isn't known; 4,096
	PeerID     int // bytes of senderId and targetId; 1,024
	StorageID  int // bytes of a storage ID; 256
	SessionID  int // bytes of sessionId; 256
	Text       int // bytes of any other text that is kept (an error's message, a version); 4,096
	Token      int // bytes of a token; 8,192
	StorageIDs int // entries each of add, remove and newHeads; 1,024
	Heads      int // heads of one storage ID in newHeads; 1,024
	HeadsTotal int // heads of all storage IDs in newHeads; 16,384
	Versions   int // entries of supportedProtocolVersions; 16
}

// maxFields bounds the fields of a message and of peerMetadata, known and unknown.
const maxFields = 32

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		value    *int
		standard int
	}{
		{&l.Frame, 16 << 20},
		{&l.Depth, 16},
		{&l.Items, 4096},
		{&l.PeerID, 1024},
		{&l.StorageID, 256},
		{&l.SessionID, 256},
		{&l.Text, 4096},
		{&l.Token, 8192},
		{&l.StorageIDs, 1024},
		{&l.Heads, 1024},
		{&l.HeadsTotal, 16384},
		{&l.Versions, 16},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	return l
}

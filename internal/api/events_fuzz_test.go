package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"concord/sync/wire"
)

// Whatever comes, a message comes out that means the same when it is said again, or an
// error that tells the client what to do.
func FuzzEventMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","device":"d","cursor":"6g9BfQAAAAAAAAAJAAABo1qXxBB","rooms":["document:x"],"types":["invoice:*"]}`,
		`{"type":"subscribe","id":"1","rooms":["company:acme"]}`, `{"type":"unsubscribe","rooms":["user:a"]}`, `{"type":"ack","cursor":"x"}`,
		`{"type":"read","ids":["01KATW8N5Q0R6Y3V9B2C4D7E8F"]}`, `{"type":"typing","document":"4NMNnkMhL8jXrdJ9jamS58PAVdXu","field":"/a","active":true}`,
		`{"type":"view","documents":[]}`, `{"type":"token","token":"t"}`, `{"type":"ping","id":"\u0000"}`, `{"type":"ping"} `, `{"TYPE":"ping"}`,
		`[]`, `{}`, `null`, `{"type":null}`, `{"type":"ping","type":"ack"}`, `{"type":"x","id":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(b)
		var own *messageError
		var end *wire.CloseError
		if err != nil {
			if !errors.As(err, &own) && !errors.As(err, &end) || m != nil {
				t.Fatalf("%v, %v", m, err)
			}
			if own != nil && (own.code == "" || own.message == "" || len(own.id) > maxMessageID) {
				t.Errorf("%+v", own)
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		same, err := decodeMessage(again)
		if err != nil || !reflect.DeepEqual(m, same) {
			t.Errorf("%s became %s: %v", b, again, err)
		}
	})
}

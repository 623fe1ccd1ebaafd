package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"concord/docs"
	"concord/events"
)

// asyncDoc is the part of docs/asyncapi.yaml that is held against the code.
type asyncDoc struct {
	AsyncAPI string
	Channels map[string]struct {
		Address  string
		Messages map[string]any
	}
	Operations map[string]struct {
		Messages []struct {
			Ref string `yaml:"$ref"`
		}
	}
	Components struct {
		Messages map[string]struct {
			Name    string
			Payload asyncSchema
		}
		Schemas map[string]asyncSchema
	}
}

type asyncSchema struct {
	Required             []string
	Properties           map[string]asyncSchema
	AdditionalProperties *bool `yaml:"additionalProperties"`
	Const                any
	Enum                 []string
	MaxItems             int    `yaml:"maxItems"`
	MaxLength            int    `yaml:"maxLength"`
	Ref                  string `yaml:"$ref"`
	Examples             []map[string]any
}

func readAsync(t *testing.T) (doc asyncDoc) {
	t.Helper()
	if err := yaml.Unmarshal(docs.AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// sameFields holds an object's description against the struct that it is.
func sameFields(t *testing.T, name string, s asyncSchema, of reflect.Type) {
	t.Helper()
	var fields, required []string
	for i := range of.NumField() {
		field, options, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		fields = append(fields, field)
		if !strings.Contains(options, "omit") {
			required = append(required, field)
		}
	}
	slices.Sort(fields)
	slices.Sort(required)
	if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, fields) {
		t.Errorf("%s has the members %v, in the code %v", name, got, fields)
	}
	if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
		t.Errorf("%s requires %v, in the code %v", name, got, required)
	}
}

// The description has the messages of the code, with their members.
func TestAsyncAPI(t *testing.T) {
	doc := readAsync(t)
	if doc.AsyncAPI != "3.0.0" || doc.Channels["events"].Address != "/v1/events" {
		t.Errorf("version %q, channels %v", doc.AsyncAPI, doc.Channels)
	}
	want := make(map[string]reflect.Type)
	for name, fresh := range clientMessages {
		want["client"+strings.ToUpper(name[:1])+name[1:]] = reflect.TypeOf(fresh()).Elem()
	}
	for name, of := range map[string]any{
		"Hello": helloAnswer{}, "Event": eventAnswer{}, "Cursor": cursorAnswer{}, "Gap": gapAnswer{}, "Subscribed": subscribedAnswer{},
		"Unsubscribed": unsubscribedAnswer{}, "Error": errorAnswer{}, "Token": tokenAnswer{}, "Pong": pongAnswer{}, "Close": closeAnswer{},
	} {
		want["server"+name] = reflect.TypeOf(of)
	}
	all := doc.Components.Messages
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("messages %v, in the code %v", got, slices.Sorted(maps.Keys(want)))
	}
	if got := doc.Channels["events"].Messages; len(got) != len(want) {
		t.Errorf("the channel has %d messages of %d", len(got), len(want))
	}
	if n := len(doc.Operations["say"].Messages) + len(doc.Operations["hear"].Messages); n != len(want) {
		t.Errorf("the operations have %d messages of %d", n, len(want))
	}
	for name, m := range all {
		sameFields(t, name, m.Payload, want[name])
		kind := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "client"), "server"))
		client := strings.HasPrefix(name, "client")
		if m.Name != kind || m.Payload.Properties["type"].Const != kind || client == (m.Payload.AdditionalProperties == nil) {
			t.Errorf("%s is named %q with the type %v", name, m.Name, m.Payload.Properties["type"].Const)
		}
		for _, example := range m.Payload.Examples {
			b, err := json.Marshal(example)
			if err == nil {
				_, err = decodeMessage(b)
			}
			if err != nil {
				t.Errorf("example of %s: %v", name, err)
			}
		}
	}
	sameFields(t, "event", doc.Components.Schemas["event"], reflect.TypeFor[events.Event]())
	sameFields(t, "roomError", doc.Components.Schemas["roomError"], reflect.TypeFor[events.RoomError]())
	sameFields(t, "limits", all["serverHello"].Payload.Properties["limits"], reflect.TypeFor[eventLimits]())
	if got := all["serverError"].Payload.Properties["code"].Enum; !slices.Equal(got, errorCodes) {
		t.Errorf("codes %v, in the code %v", got, errorCodes)
	}
}

// The bounds that the description names are those of the code.
func TestAsyncAPIBounds(t *testing.T) {
	doc := readAsync(t)
	of := func(message, member string) asyncSchema {
		return doc.Components.Messages[message].Payload.Properties[member]
	}
	for what, bound := range map[string][2]int{
		"device":    {of("clientHello", "device").MaxLength, events.MaxDevice},
		"rooms":     {of("clientHello", "rooms").MaxItems, min(maxListed, events.MaxRooms)},
		"types":     {of("clientHello", "types").MaxItems, events.MaxFilter},
		"subscribe": {of("clientSubscribe", "rooms").MaxItems, maxListed},
		"ids":       {of("clientRead", "ids").MaxItems, min(maxReadIDs, events.MaxSeen)},
		"documents": {of("clientView", "documents").MaxItems, maxViewed},
		"id":        {doc.Components.Schemas["messageID"].MaxLength, maxMessageID},
	} {
		if bound[0] != bound[1] {
			t.Errorf("%s: %d, in the code %d", what, bound[0], bound[1])
		}
	}
	text := string(docs.AsyncAPI)
	if want := fmt.Sprintf("at most %d KiB from the client", maxEventMessage>>10); !strings.Contains(text, want) {
		t.Errorf("it doesn't say %q", want)
	}
	for _, ref := range regexp.MustCompile(`'#/(components|channels)/([^']+)'`).FindAllStringSubmatch(text, -1) {
		if !refers(doc, ref[1], strings.Split(ref[2], "/")) {
			t.Errorf("%s leads nowhere", ref[0])
		}
	}
}

func refers(doc asyncDoc, part string, path []string) bool {
	last := path[len(path)-1]
	switch {
	case part == "channels" && len(path) == 1:
		return doc.Channels[last].Address != ""
	case part == "channels":
		return doc.Channels[path[0]].Messages[last] != nil
	case path[0] == "messages":
		return doc.Components.Messages[last].Name != ""
	case path[0] == "schemas":
		_, ok := doc.Components.Schemas[last]
		return ok
	}
	return path[0] == "securitySchemes"
}

func TestAsyncAPIIsServed(t *testing.T) {
	r := newRig(t, settings{})
	if got := r.body("/asyncapi.yaml"); got != string(docs.AsyncAPI) {
		t.Errorf("%.100q", got)
	}
}

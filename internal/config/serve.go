package config

import "time"

// Serve is the configuration of `concord serve`. The tags min and max bound a
// value, both inclusive; kong reads the others. Kong calls Validate after
// parsing. It isn't changed afterwards, and so safe for concurrent use.
type Serve struct {
	Listen string `name:"listen" env:"CONCORD_LISTEN" default:"127.0.0.1:8080" group:"Server" help:"Address to listen on, HOST:PORT. Port 0 takes a free one."`
	Data   string `name:"data" env:"CONCORD_DATA" default:"./concord-data" group:"Server" help:"Directory of the documents. It is made if it is missing."`
	Dev    bool   `name:"dev" env:"CONCORD_DEV" group:"Server" help:"Make a secret if there is none and print ready tokens of two demo users. Not for production."`

	Rules      string `name:"rules" env:"CONCORD_RULES" group:"Rules" help:"YAML file with rules that lock fields of documents by their state and the user's role. Empty: none."`
	CheckRules bool   `name:"check-rules" env:"CONCORD_CHECK_RULES" group:"Rules" help:"Say what the rules mean, or what is wrong with them, and end: with code 0 or 1. Needs no data folder and no key."`

	JWTSecret   Secret `name:"jwt-secret" env:"CONCORD_JWT_SECRET" group:"Authentication" help:"Secret that signs tokens with HS256, at least 32 bytes. Better set in the environment, since other users of the machine can read flags."`
	JWKSURL     string `name:"jwks-url" env:"CONCORD_JWKS_URL" group:"Authentication" help:"URL of the public keys (JWKS) that verify RS256, ES256 and EdDSA tokens."`
	JWKSFile    string `name:"jwks-file" env:"CONCORD_JWKS_FILE" group:"Authentication" help:"File with these public keys, instead of a URL."`
	JWTIssuer   string `name:"jwt-issuer" env:"CONCORD_JWT_ISSUER" group:"Authentication" help:"Issuer (iss) that tokens must have. Empty: not checked."`
	JWTAudience string `name:"jwt-audience" env:"CONCORD_JWT_AUDIENCE" group:"Authentication" help:"Audience (aud) that tokens must have. Empty: not checked."`

	AllowOrigin    []string `name:"allow-origin" env:"CONCORD_ALLOW_ORIGIN" group:"Network" help:"Web origins other than the server's own that may connect, separated by commas: https://erp.example.com, https://*.example.com, or *."`
	TrustedProxies []Prefix `name:"trusted-proxies" env:"CONCORD_TRUSTED_PROXIES" group:"Network" help:"Addresses or networks (CIDR) of the reverse proxies whose X-Forwarded-For is believed, separated by commas."`

	PingInterval        Milliseconds  `name:"ping-interval" env:"WS_PING_INTERVAL" default:"25000" min:"10" max:"3600000" group:"Connections" help:"Milliseconds between two pings on an open connection."`
	PingTimeout         Milliseconds  `name:"ping-timeout" env:"WS_PING_TIMEOUT" default:"60000" min:"10" max:"3600000" group:"Connections" help:"Milliseconds without a sign of life after a ping until a connection is closed."`
	MaxConnectionsPerIP int           `name:"max-connections-per-ip" env:"WS_MAX_CONNECTIONS_PER_IP" default:"10" min:"0" max:"1000000" group:"Connections" help:"Open connections per client address; addresses of one IPv6 network (/64) count as one. 0: unlimited."`
	HandshakeTimeout    time.Duration `name:"handshake-timeout" env:"CONCORD_HANDSHAKE_TIMEOUT" default:"10s" min:"10ms" max:"10m" group:"Connections" help:"Time that a connection has to join."`
	WriteTimeout        time.Duration `name:"write-timeout" env:"CONCORD_WRITE_TIMEOUT" default:"10s" min:"10ms" max:"10m" group:"Connections" help:"Time that a client has to take one message or answer, and again for every 64 KiB of it."`
	DrainTimeout        time.Duration `name:"drain-timeout" env:"CONCORD_DRAIN_TIMEOUT" default:"10s" min:"0s" max:"1h" group:"Connections" help:"Time that open connections have to end when the server stops. 0s: none."`
	MessageRate         int           `name:"message-rate" env:"CONCORD_MESSAGE_RATE" default:"2000" min:"0" max:"10000000" group:"Connections" help:"Messages per second and user. 0: unlimited."`
	MessageBurst        int           `name:"message-burst" env:"CONCORD_MESSAGE_BURST" default:"0" min:"0" max:"100000000" group:"Connections" help:"Messages that a user may send at once before the rate counts. 0: five seconds' worth."`

	EphemeralRate Rates `name:"ephemeral-rate" env:"CONCORD_EPHEMERAL_RATE" default:"100/200/10000" group:"Rates" help:"Ephemeral messages per second that are relayed: of a connection, a user and a company. Five seconds' worth may come at once, the rest is dropped. 0: any number."`
	EventRate     Rates `name:"event-rate" env:"CONCORD_EVENT_RATE" default:"50/100/10000" group:"Rates" help:"Messages per second on event connections, also of a connection, a user and a company. More are refused, as with the next ones."`
	PublishRate   Rates `name:"publish-rate" env:"CONCORD_PUBLISH_RATE" default:"1000/1000/2000" group:"Rates" help:"Events per second that may be published."`
	TypingRate    Rates `name:"typing-rate" env:"CONCORD_TYPING_RATE" default:"5/10/2000" group:"Rates" help:"Messages per second that tell of typing."`

	EventTTL Seconds `name:"event-ttl" env:"WS_MESSAGE_QUEUE_TTL" default:"86400" min:"1" max:"31536000" group:"Events" help:"Seconds for which events are kept for those who are offline."`

	PresenceTTL   Seconds       `name:"presence-ttl" env:"WS_PRESENCE_TTL" default:"300" min:"1" max:"86400" group:"Presence" help:"Seconds without a sign of life until a connection doesn't make its user online any more."`
	PresenceGrace time.Duration `name:"presence-grace" env:"CONCORD_PRESENCE_GRACE" default:"10s" min:"10ms" max:"1h" group:"Presence" help:"Time without a connection until a user is offline."`
	TypingExpiry  time.Duration `name:"typing-expiry" env:"CONCORD_TYPING_EXPIRY" default:"5s" min:"100ms" max:"10m" group:"Presence" help:"Time until typing that isn't repeated ends."`

	DocumentCache             ByteSize `name:"document-cache" env:"CONCORD_DOCUMENT_CACHE" default:"256MiB" min:"1MiB" max:"1TiB" group:"Limits" help:"Memory for the change graphs of documents, and the op sets of those that are edited. Those unused for the longest leave it first."`
	MaxMessage                ByteSize `name:"max-message" env:"CONCORD_MAX_MESSAGE" default:"16MiB" min:"1KiB" max:"1GiB" group:"Limits" help:"Size of a message on the wire."`
	MaxInflated               ByteSize `name:"max-inflated" env:"CONCORD_MAX_INFLATED" default:"64MiB" min:"1KiB" max:"1GiB" group:"Limits" help:"Size of all changes of a message, once decompressed. A single change must fit into --max-message, too."`
	MaxOps                    int      `name:"max-ops" env:"CONCORD_MAX_OPS" default:"200000" min:"1" max:"100000000" group:"Limits" help:"Operations in a change."`
	MaxRows                   int      `name:"max-rows" env:"CONCORD_MAX_ROWS" default:"5000000" min:"1" max:"100000000" group:"Limits" help:"Operations, and changes, in a document that a client sends as a whole; operations in the changes of one message. A document that takes more than 100 bytes of memory for each of so many is full."`
	MaxDeps                   int      `name:"max-deps" env:"CONCORD_MAX_DEPS" default:"1024" min:"1" max:"1000000" group:"Limits" help:"Dependencies of a change."`
	MaxHeads                  int      `name:"max-heads" env:"CONCORD_MAX_HEADS" default:"1024" min:"1" max:"1024" group:"Limits" help:"Heads in a sync message. A document has 1024 at most."`
	MaxNeed                   int      `name:"max-need" env:"CONCORD_MAX_NEED" default:"10000" min:"1" max:"10000000" group:"Limits" help:"Changes that a sync message may ask for."`
	MaxOrphans                int      `name:"max-orphans" env:"CONCORD_MAX_ORPHANS" default:"1000" min:"1" max:"1000000" group:"Limits" help:"Changes per document that wait for their dependencies."`
	MaxOrphanBytes            ByteSize `name:"max-orphan-bytes" env:"CONCORD_MAX_ORPHAN_BYTES" default:"8MiB" min:"1KiB" max:"1GiB" group:"Limits" help:"Size of these changes per document. A user may hold half as much again over all documents, all users together twice as much."`
	MaxDocumentsPerConnection int      `name:"max-documents-per-connection" env:"CONCORD_MAX_DOCUMENTS_PER_CONNECTION" default:"10000" min:"1" max:"10000000" group:"Limits" help:"Documents that a connection may have open."`

	SnapshotWorkers int `name:"snapshot-workers" env:"CONCORD_SNAPSHOT_WORKERS" default:"1" min:"0" max:"64" group:"Snapshots" help:"Documents of which a snapshot is written at a time, each in memory as a whole. 0: no snapshots."`
	SnapshotChanges int `name:"snapshot-changes" env:"CONCORD_SNAPSHOT_CHANGES" default:"256" min:"1" max:"1000000000" group:"Snapshots" help:"Fewest changes after a document's snapshot, or in a document without one, that are worth a snapshot while it is edited."`

	LogLevel  string `name:"log-level" env:"CONCORD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" group:"Logging" help:"Least important level that is logged: ${enum}."`
	LogFormat string `name:"log-format" env:"CONCORD_LOG_FORMAT" default:"text" enum:"text,json" group:"Logging" help:"Form of the log on stderr: ${enum}."`
}

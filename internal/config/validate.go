package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// minSecret is the length of the HS256 secret from which it is as strong as the hash (RFC 7518 §3.2), in bytes.
const minSecret = 32

// Validate checks every option. The error names all that are wrong, by flag
// and environment variable, and says which values are fine. It never shows the secret.
func (s Serve) Validate() error {
	if s.CheckRules {
		return s.checkRules()
	}
	errs := s.checkBounds()
	errs = append(errs,
		s.checkListen(), s.checkData(), s.checkSecret(), s.checkKeys(), s.checkJWKSURL(), s.checkProxies(), s.checkSizes())
	return errors.Join(errs...)
}

// fault returns an error about the option with a flag.
func fault(flag, format string, args ...any) error {
	options := Options()
	i := slices.IndexFunc(options, func(o Option) bool { return o.Flag == flag })
	return fmt.Errorf("%s: %s", options[i].name(), fmt.Sprintf(format, args...))
}

// checkRules is all that counts when the rules are to be checked.
func (s Serve) checkRules() error {
	if s.Rules == "" {
		return fault("rules", "name the file with the rules that are to be checked")
	}
	return nil
}

// checkBounds applies the tags min, max and enum.
func (s Serve) checkBounds() []error {
	var errs []error
	value := reflect.ValueOf(s)
	for _, o := range Options() {
		field := value.Field(o.field)
		if len(o.Enum) > 0 && !slices.Contains(o.Enum, field.String()) {
			errs = append(errs, fmt.Errorf("%s: %q: want %s", o.name(), field.String(), strings.Join(o.Enum, ", ")))
		}
		if o.Min == "" && o.Max == "" {
			continue
		}
		if n := field.Int(); n < o.bound(field.Type(), o.Min) || n > o.bound(field.Type(), o.Max) {
			errs = append(errs, fmt.Errorf("%s: %v: want %s to %s", o.name(), field.Interface(), o.Min, o.Max))
		}
	}
	return errs
}

// bound parses a tag min or max for a field type of an integer kind.
func (o Option) bound(t reflect.Type, text string) int64 {
	v := reflect.New(t).Elem()
	if err := set(v, text); err != nil {
		panic(fmt.Sprintf("config: bound %q of --%s: %v", text, o.Flag, err)) // a mistake in the table
	}
	return v.Int()
}

func (s Serve) checkListen() error {
	const want = "want HOST:PORT, such as 127.0.0.1:8080, :8080 or [::1]:8080"
	_, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return fault("listen", "%q: %s", s.Listen, want)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fault("listen", "%q: %s, with a port of 0 to 65535", s.Listen, want)
	}
	return nil
}

func (s Serve) checkData() error {
	if strings.TrimSpace(s.Data) == "" || strings.ContainsRune(s.Data, 0) {
		return fault("data", "%q: want the path of a directory", s.Data)
	}
	return nil
}

func (s Serve) checkSecret() error {
	if n := len(s.JWTSecret); n > 0 && n < minSecret {
		return fault("jwt-secret", "%d bytes: want at least %d, such as the output of `openssl rand -hex 32`", n, minSecret)
	}
	return nil
}

func (s Serve) checkKeys() error {
	switch {
	case s.JWKSURL != "" && s.JWKSFile != "":
		return fault("jwks-file", "set together with --jwks-url (CONCORD_JWKS_URL): want one of them")
	case s.Dev || s.JWTSecret != "" || s.JWKSURL != "" || s.JWKSFile != "":
		return nil
	}
	return errors.New("no key to verify tokens with: set CONCORD_JWT_SECRET (at least 32 bytes), " +
		"--jwks-url (CONCORD_JWKS_URL) or --jwks-file (CONCORD_JWKS_FILE); to try it out, use --dev")
}

func (s Serve) checkJWKSURL() error {
	if s.JWKSURL == "" {
		return nil
	}
	u, err := url.Parse(s.JWKSURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" {
		// The URL isn't shown: it may hold credentials.
		return fault("jwks-url", "not an http or https URL: want one such as https://login.example.com/.well-known/jwks.json")
	}
	return nil
}

func (s Serve) checkProxies() error {
	for _, proxy := range s.TrustedProxies {
		if !proxy.IsValid() {
			return fault("trusted-proxies", "%v", errPrefix)
		}
	}
	return nil
}

func (s Serve) checkSizes() error {
	if s.MaxInflated < s.MaxMessage {
		return fault("max-inflated", "%v is below --max-message (CONCORD_MAX_MESSAGE), %v: want at least as much", s.MaxInflated, s.MaxMessage)
	}
	if s.MessageBurst > 0 && s.MessageRate == 0 {
		return fault("message-burst", "%d without --message-rate (CONCORD_MESSAGE_RATE): want a rate, or no burst", s.MessageBurst)
	}
	return nil
}

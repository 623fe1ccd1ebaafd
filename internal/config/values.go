package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Secret is a text that formatting, logging and encoding never show.
type Secret string

const withheld = "[withheld]"

// Format shows whether there is a secret, never what it is.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.shown()) }

// MarshalText does as Format.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return withheld
}

// ByteSize is a number of bytes, written with a unit: 16MiB, 500KB, 1GiB, or bytes alone.
type ByteSize int64

var units = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText reads a whole number and an optional unit; letter case doesn't matter.
func (b *ByteSize) UnmarshalText(text []byte) error {
	number, scale := strings.TrimSpace(string(text)), int64(1)
	for _, unit := range units {
		if end := len(number) - len(unit.name); end > 0 && strings.EqualFold(number[end:], unit.name) {
			number, scale = strings.TrimSpace(number[:end]), unit.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/scale {
		return fmt.Errorf("%q is no size: want a whole number and a unit, such as 512KiB, 16MiB or 1GiB", text)
	}
	*b = ByteSize(int64(n) * scale)
	return nil
}

// String writes the size in the largest binary unit that divides it.
func (b ByteSize) String() string {
	for _, unit := range units[:4] {
		if n := int64(b); n != 0 && n%unit.size == 0 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText writes what String does.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Milliseconds is a duration that is written as a number of milliseconds.
type Milliseconds time.Duration

// UnmarshalText reads milliseconds, or a Go duration such as 25s.
func (m *Milliseconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && n <= math.MaxInt64/int64(time.Millisecond) && n >= 0 {
		*m = Milliseconds(time.Duration(n) * time.Millisecond)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no time: want milliseconds, such as 25000", text)
	}
	*m = Milliseconds(d)
	return nil
}

// Duration returns m as a duration.
func (m Milliseconds) Duration() time.Duration { return time.Duration(m) }

// String writes the milliseconds.
func (m Milliseconds) String() string {
	return strconv.FormatFloat(float64(m)/float64(time.Millisecond), 'f', -1, 64)
}

// MarshalText writes what String does.
func (m Milliseconds) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Seconds is a duration that is written as a number of seconds.
type Seconds time.Duration

// UnmarshalText reads seconds, or a Go duration such as 5m.
func (s *Seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && n <= math.MaxInt64/int64(time.Second) && n >= 0 {
		*s = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no time: want seconds, such as 300", text)
	}
	*s = Seconds(d)
	return nil
}

// Duration returns s as a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// String writes the seconds.
func (s Seconds) String() string {
	return strconv.FormatFloat(time.Duration(s).Seconds(), 'f', -1, 64)
}

// MarshalText writes what String does.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Rates are how many per second a connection, a user and a company may do; 0 = any number.
type Rates struct {
	Connection, User, Company int
}

// maxRate bounds each of the rates.
const maxRate = 10_000_000

// UnmarshalText reads three numbers with slashes between them.
func (r *Rates) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	var numbers [3]int
	for i, part := range parts {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 32)
		if err != nil || n > maxRate || len(parts) != len(numbers) {
			return fmt.Errorf("%q: want three numbers of 0 to %d for a connection, a user and a company, such as 100/200/10000", text, maxRate)
		}
		numbers[i] = int(n)
	}
	*r = Rates{numbers[0], numbers[1], numbers[2]}
	return nil
}

// String writes the three numbers.
func (r Rates) String() string { return fmt.Sprintf("%d/%d/%d", r.Connection, r.User, r.Company) }

// MarshalText writes what String does.
func (r Rates) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Prefix is a network, or one address as the network of itself.
type Prefix struct{ netip.Prefix }

var errPrefix = errors.New("want an address or a network, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8")

// UnmarshalText reads CIDR notation or an address. Host bits are dropped.
func (p *Prefix) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil || prefix.Addr().Is4In6() {
		return fmt.Errorf("%q: %w", text, errPrefix)
	}
	p.Prefix = prefix.Masked()
	return nil
}

package id

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// alphabet is the Bitcoin base58 alphabet: no 0, O, I, l.
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const (
	checksumSize = 4 // the first 4 bytes of the double SHA-256 of the payload

	// maxPayload is the longest payload that encodeCheck and decodeCheck handle, in bytes.
	maxPayload = HashSize

	// maxText is the longest base58 text of maxPayload and its checksum:
	// ceil(36 · log(256) / log(58)) = 50 characters.
	maxText = 50

	// maxLimbs is the number of 32-bit limbs that hold any maxText digits: 58^50 < 2^293.
	maxLimbs = 10

	// As many digits as fit a limb are converted at once: 58^5 < 2^32.
	chunkDigits = 5
	chunkScale  = 58 * 58 * 58 * 58 * 58
)

// digits maps a byte to its base58 value, or 0xff where it has none.
var digits = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i := range len(alphabet) {
		table[alphabet[i]] = byte(i)
	}
	return table
}()

func checksum(payload []byte) [checksumSize]byte {
	once := sha256.Sum256(payload)
	twice := sha256.Sum256(once[:])
	return [checksumSize]byte(twice[:checksumSize])
}

// appendCheck appends payload in base58check to dst. A leading zero byte becomes a leading '1'.
// len(payload) is a multiple of 4 (DocumentIDSize or HashSize).
func appendCheck(dst, payload []byte) []byte {
	var buf [maxPayload + checksumSize]byte
	sum := checksum(payload)
	data := append(append(buf[:0], payload...), sum[:]...)

	zeros := 0
	for zeros < len(data) && data[zeros] == 0 {
		zeros++
	}
	// number holds data in 32-bit limbs, most significant first.
	var number [(maxPayload + checksumSize) / 4]uint32
	limbs := len(data) / 4
	for i := range limbs {
		number[i] = binary.BigEndian.Uint32(data[4*i:])
	}
	// text is filled from its end, five characters for each division by 58^5,
	// and ends up with more '1's in front than data has zero bytes.
	var text [maxText + 5]byte
	pos := len(text)
	for first := 0; first < limbs; {
		if number[first] == 0 {
			first++
			continue
		}
		rest := uint64(0)
		for i := first; i < limbs; i++ {
			rest = rest<<32 | uint64(number[i])
			number[i] = uint32(rest / chunkScale)
			rest %= chunkScale
		}
		for range chunkDigits {
			pos--
			text[pos] = alphabet[rest%58]
			rest /= 58
		}
	}
	for pos < len(text) && text[pos] == alphabet[0] {
		pos++
	}
	for range zeros {
		dst = append(dst, alphabet[0])
	}
	return append(dst, text[pos:]...)
}

// decodeCheck fills payload from base58check text, which must hold exactly
// len(payload) bytes (DocumentIDSize or HashSize). The text's length is checked
// before anything is computed, so the work is bounded for any input. On an
// error payload is left untouched.
func decodeCheck[T string | []byte](payload []byte, text T) error {
	if len(text) == 0 {
		return ErrEmpty
	}
	if len(text) > maxText {
		return ErrLength
	}
	zeros := 0
	for zeros < len(text) && text[zeros] == alphabet[0] {
		zeros++
	}
	// number holds the value read so far in 32-bit limbs, least significant first.
	var number [maxLimbs]uint32
	used := 0
	for i := zeros; i < len(text); {
		chunk, scale := uint64(0), uint64(1)
		for end := min(i+chunkDigits, len(text)); i < end; i++ {
			digit := digits[text[i]]
			if digit == 0xff {
				return ErrAlphabet
			}
			chunk = chunk*58 + uint64(digit)
			scale *= 58
		}
		carry := chunk
		for j := range used {
			carry += uint64(number[j]) * scale
			number[j] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			number[used] = uint32(carry)
			used++
		}
	}

	want := len(payload) + checksumSize
	size := used * 4
	if used > 0 {
		size -= bits.LeadingZeros32(number[used-1]) / 8
	}
	if zeros+size != want {
		return ErrLength
	}
	var data [maxPayload + checksumSize]byte
	for i := range size {
		data[want-1-i] = byte(number[i/4] >> (i % 4 * 8))
	}
	sum := checksum(data[:len(payload)])
	if !bytes.Equal(sum[:], data[len(payload):want]) {
		return ErrChecksum
	}
	copy(payload, data[:])
	return nil
}

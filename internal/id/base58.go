package id

import (
	"crypto/sha256"
	"crypto/subtle"
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
// len(payload) is at most maxPayload.
func appendCheck(dst, payload []byte) []byte {
	var buf [maxPayload + checksumSize]byte
	sum := checksum(payload)
	data := append(append(buf[:0], payload...), sum[:]...)

	// number holds the base58 digits found so far, least significant first.
	var number [maxText]byte
	used, zeros := 0, 0
	for i, b := range data {
		if b == 0 && zeros == i {
			zeros++
			continue
		}
		carry := int(b)
		for j := 0; j < used; j++ {
			carry += int(number[j]) << 8
			number[j] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			number[used] = byte(carry % 58)
			used++
		}
	}
	for range zeros {
		dst = append(dst, alphabet[0])
	}
	for i := used - 1; i >= 0; i-- {
		dst = append(dst, alphabet[number[i]])
	}
	return dst
}

// decodeCheck fills payload from base58check text, which must hold exactly
// len(payload) bytes, at most maxPayload. The text's length is checked before
// anything is computed, so the work is bounded for any input. On an error
// payload is left untouched.
func decodeCheck(payload []byte, text string) error {
	if text == "" {
		return ErrEmpty
	}
	if len(text) > maxText {
		return ErrLength
	}
	// number holds the value read so far, least significant byte first.
	var number [maxPayload + checksumSize]byte
	want := len(payload) + checksumSize
	used, zeros := 0, 0
	for i := range len(text) {
		digit := digits[text[i]]
		if digit == 0xff {
			return ErrAlphabet
		}
		if digit == 0 && zeros == i {
			zeros++
			continue
		}
		carry := int(digit)
		for j := 0; j < used; j++ {
			carry += int(number[j]) * 58
			number[j] = byte(carry)
			carry >>= 8
		}
		if carry > 0 {
			if used == want {
				return ErrLength
			}
			number[used] = byte(carry)
			used++
		}
	}
	if zeros+used != want {
		return ErrLength
	}
	var data [maxPayload + checksumSize]byte
	for i := range used {
		data[want-1-i] = number[i]
	}
	sum := checksum(data[:len(payload)])
	if subtle.ConstantTimeCompare(sum[:], data[len(payload):want]) == 0 {
		return ErrChecksum
	}
	copy(payload, data[:len(payload)])
	return nil
}

package operator

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxSocketPath is what fits into a socket's address.
const maxSocketPath = 100

// socketPath returns the address of a folder's socket. One that is too long for
// an address goes by way of the open folder; release closes that.
func socketPath(dir string) (path string, release func(), err error) {
	if path, err = filepath.Abs(filepath.Join(dir, socketName)); err != nil || len(path) <= maxSocketPath {
		return path, func() {}, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), socketName), func() { _ = f.Close() }, nil
}

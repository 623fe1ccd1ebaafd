// Package nodefs reads the folders in which automerge-repo's NodeFSStorageAdapter
// keeps documents.
//
// A key of the adapter is a list of names; its file is found under the first
// two characters of the first name, the rest of it, and the other names. So the
// chunks of document 4NMNnkMhL8jXrdJ9jamS58PAVdXu are
//
//	4N/MNnkMhL8jXrdJ9jamS58PAVdXu/snapshot/…     whole documents
//	4N/MNnkMhL8jXrdJ9jamS58PAVdXu/incremental/…  changes since
//
// Everything else, such as the states of syncs with other peers, is let be.
package nodefs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"concord/crdt"
	"concord/internal/id"
)

// Document is one document of a folder.
type Document struct {
	ID    id.DocumentID
	Files []File
}

// File is a chunk file of a document.
type File struct {
	Path string // within the folder
	Size int64  // bytes
}

// Size returns the bytes of a document's files.
func (d Document) Size() (n int64) {
	for _, f := range d.Files {
		n += f.Size
	}
	return n
}

// kinds are the folders of a document that hold chunks, in the order in which
// they are read: what changes depend on comes first.
var kinds = [...]string{"snapshot", "incremental"}

// Open lists the documents of a folder, ordered by their names on disk. Folders
// whose names aren't those of documents are left out. It fails for a folder
// that holds none, because it is most likely the wrong one.
func Open(dir string) ([]Document, error) {
	root := os.DirFS(dir)
	groups, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Document
	for _, g := range groups {
		if !g.IsDir() || len(g.Name()) != 2 {
			continue
		}
		names, err := fs.ReadDir(root, g.Name())
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			doc, err := id.Parse(g.Name() + n.Name())
			if err != nil || !n.IsDir() {
				continue
			}
			d, err := readDocument(root, filepath.Join(g.Name(), n.Name()))
			if err != nil {
				return nil, err
			}
			if d.ID = doc; len(d.Files) > 0 {
				all = append(all, d)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no documents of automerge-repo; name the folder that NodeFSStorageAdapter was given", dir)
	}
	return all, nil
}

func readDocument(root fs.FS, folder string) (d Document, err error) {
	for _, kind := range kinds {
		files, err := fs.ReadDir(root, filepath.Join(folder, kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return d, err
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				return d, err
			}
			if info.Mode().IsRegular() && info.Size() > 0 {
				d.Files = append(d.Files, File{Path: filepath.Join(folder, kind, f.Name()), Size: info.Size()})
			}
		}
	}
	return d, nil
}

// Read returns a file's bytes when they are whole chunks with the right
// checksums, and all that can be read in them. maxBytes bounds the file.
func Read(dir string, f File, maxBytes int64) ([]byte, error) {
	if f.Size > maxBytes {
		return nil, fmt.Errorf("the file has %d bytes, at most %d can be sent", f.Size, maxBytes)
	}
	b, err := os.ReadFile(filepath.Join(dir, f.Path))
	if err != nil {
		return nil, err
	}
	if err := crdt.ParseChunks(b, crdt.Limits{}, nil); err != nil {
		return nil, err
	}
	return b, nil
}

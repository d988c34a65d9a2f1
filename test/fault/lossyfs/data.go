package main

import (
	"context"
	"math/rand"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// What a disk writes at once. It has each sector of a write or has it not.
const sectorBytes = 512

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.volume.Lock()
	defer n.volume.Unlock()
	if flags&syscall.O_TRUNC != 0 {
		n.apply(change{truncate: 0})
	}
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	n.volume.Lock()
	defer n.volume.Unlock()
	if offset >= int64(len(n.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(append(dest[:0], n.data[offset:min(offset+int64(len(dest)), int64(len(n.data)))]...)), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	n.volume.Lock()
	defer n.volume.Unlock()
	n.apply(change{truncate: -1, offset: offset, bytes: append([]byte(nil), data...)})
	return uint32(len(data)), 0
}

func (n *node) apply(c change) {
	n.mtime = time.Now()
	n.pending = append(n.pending, c)
	if c.truncate >= 0 {
		n.data = resized(n.data, c.truncate)
		return
	}
	n.data = resized(n.data, max(int64(len(n.data)), c.offset+int64(len(c.bytes))))
	copy(n.data[c.offset:], c.bytes)
}

func resized(data []byte, length int64) []byte {
	if length <= int64(len(data)) {
		return data[:length]
	}
	return append(data, make([]byte, length-int64(len(data)))...)
}

// Fsync of a file makes its data durable and says nothing of its name, as POSIX has it; of a directory, the names in it.
func (n *node) Fsync(_ context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	n.volume.Lock()
	defer n.volume.Unlock()
	if n.volume.gone {
		return syscall.EIO
	}
	if n.mode&syscall.S_IFMT == syscall.S_IFDIR {
		return fs.ToErrno(n.volume.syncNames(n.id))
	}
	return fs.ToErrno(n.syncData())
}

func (n *node) syncData() error {
	if len(n.pending) == 0 {
		return nil
	}
	file, err := os.OpenFile(n.volume.objectPath(n.id), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, c := range n.pending {
		if c.truncate >= 0 {
			err = file.Truncate(c.truncate)
		} else {
			_, err = file.WriteAt(c.bytes, c.offset)
		}
		if err != nil {
			return err
		}
	}
	n.pending = nil
	return file.Sync()
}

func torn(changes []change, chooser *rand.Rand) []change {
	var kept []change
	for _, c := range changes {
		if c.truncate >= 0 {
			if chooser.Intn(2) == 0 {
				kept = append(kept, c)
			}
			continue
		}
		kept = append(kept, sectors(c, chooser)...)
	}
	return kept
}

func sectors(c change, chooser *rand.Rand) []change {
	var kept []change
	for start := int64(0); start < int64(len(c.bytes)); {
		end := min(int64(len(c.bytes)), start+sectorBytes-(c.offset+start)%sectorBytes)
		if chooser.Intn(2) == 0 {
			kept = append(kept, change{truncate: -1, offset: c.offset + start, bytes: c.bytes[start:end]})
		}
		start = end
	}
	return kept
}

package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const rootID = 1

// What one change of names does: the entries that it sets (an id) and removes (0), all of them at once.
type naming struct {
	entries []entry
}

type entry struct {
	Directory uint64
	Name      string
	ID        uint64
}

// A volume is the disk and what has not reached it. One lock for everything: this is a test tool.
type volume struct {
	sync.Mutex
	store string
	next  uint64
	nodes map[uint64]*node
	// What the disk holds; contents lie in STORE/objects.
	durable tree
	// Changes of names that no fsync of their directory has covered yet, in order.
	pending []naming
	gone    bool
}

type tree struct {
	Next    uint64
	Entries []entry
	Modes   map[uint64]uint32
}

func openVolume(store string) (*volume, error) {
	if err := os.MkdirAll(filepath.Join(store, "objects"), 0o700); err != nil {
		return nil, err
	}
	v := &volume{store: store, nodes: map[uint64]*node{}, durable: tree{Next: rootID + 1, Modes: map[uint64]uint32{rootID: syscall.S_IFDIR | 0o700}}}
	bytes, err := os.ReadFile(v.treePath())
	if err == nil {
		err = json.Unmarshal(bytes, &v.durable)
	} else if os.IsNotExist(err) {
		err = nil
	}
	v.next = v.durable.Next
	return v, err
}

func (v *volume) treePath() string { return filepath.Join(v.store, "tree.json") }

func (v *volume) objectPath(id uint64) string {
	return filepath.Join(v.store, "objects", fmt.Sprint(id))
}

// Every change of names goes through here, after the tree that the kernel sees has followed.
func (v *volume) rename(entries ...entry) {
	v.pending = append(v.pending, naming{entries})
}

// syncNames makes durable what has happened in one directory. A rename between two is never torn apart.
func (v *volume) syncNames(directory uint64) error {
	var rest []naming
	for _, change := range v.pending {
		if change.touches(directory) {
			v.settle(change)
		} else {
			rest = append(rest, change)
		}
	}
	v.pending = rest
	return v.saveTree()
}

func (n naming) touches(directory uint64) bool {
	for _, e := range n.entries {
		if e.Directory == directory {
			return true
		}
	}
	return false
}

func (v *volume) settle(change naming) {
	for _, e := range change.entries {
		kept := v.durable.Entries[:0]
		for _, known := range v.durable.Entries {
			if known.Directory != e.Directory || known.Name != e.Name {
				kept = append(kept, known)
			}
		}
		v.durable.Entries = kept
		if e.ID != 0 {
			v.durable.Entries = append(v.durable.Entries, e)
		}
	}
}

func (v *volume) saveTree() error {
	v.durable.Next = v.next
	for _, e := range v.durable.Entries {
		if n := v.nodes[e.ID]; n != nil {
			v.durable.Modes[e.ID] = n.mode
		}
	}
	bytes, err := json.Marshal(v.durable)
	if err != nil {
		return err
	}
	if err := os.WriteFile(v.treePath()+".new", bytes, 0o600); err != nil {
		return err
	}
	return os.Rename(v.treePath()+".new", v.treePath())
}

func (v *volume) syncAll() {
	v.Lock()
	defer v.Unlock()
	for _, change := range v.pending {
		v.settle(change)
	}
	v.pending = nil
	for _, n := range v.nodes {
		check(n.syncData())
	}
	check(v.saveTree())
}

// cut says what was lost. With a chooser, the disk had already taken some of it: a prefix of the names, as a journal
// would, and any sectors of any write.
func (v *volume) cut(chooser *rand.Rand) string {
	v.Lock()
	defer v.Unlock()
	v.gone = true
	names, writes := len(v.pending), 0
	for _, n := range v.nodes {
		writes += len(n.pending)
	}
	if chooser != nil {
		v.keepSome(chooser)
	}
	return fmt.Sprintf("cut %d names %d writes", names, writes)
}

func (v *volume) keepSome(chooser *rand.Rand) {
	for _, change := range v.pending[:chooser.Intn(len(v.pending)+1)] {
		v.settle(change)
	}
	for id := uint64(rootID); id < v.next; id++ {
		n := v.nodes[id]
		if n == nil {
			continue
		}
		n.pending = torn(n.pending, chooser)
		check(n.syncData())
	}
	check(v.saveTree())
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

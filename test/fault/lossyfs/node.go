package main

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A node is a file or a directory as the programs above see it.
type node struct {
	fs.Inode
	volume *volume
	id     uint64
	mode   uint32
	mtime  time.Time
	data   []byte
	// What was done to the data and has not reached the disk, in order.
	pending []change
}

type change struct {
	// The new length of the file, or -1 for a write.
	truncate int64
	offset   int64
	bytes    []byte
}

var (
	_ = (fs.NodeOnAdder)((*node)(nil))
	_ = (fs.NodeFsyncer)((*node)(nil))
	_ = (fs.NodeStatfser)((*node)(nil))
)

func (v *volume) newNode(id uint64, mode uint32) *node {
	n := &node{volume: v, id: id, mode: mode, mtime: time.Now()}
	v.nodes[id] = n
	return n
}

func (v *volume) root() *node { return v.newNode(rootID, v.durable.Modes[rootID]) }

// OnAdd builds the tree that the disk holds when it is mounted.
func (n *node) OnAdd(ctx context.Context) {
	if n.id != rootID {
		return
	}
	n.volume.Lock()
	defer n.volume.Unlock()
	n.load(ctx)
}

func (n *node) load(ctx context.Context) {
	for _, e := range n.volume.durable.Entries {
		if e.Directory != n.id {
			continue
		}
		child := n.volume.newNode(e.ID, n.volume.durable.Modes[e.ID])
		data, err := os.ReadFile(n.volume.objectPath(e.ID))
		if err == nil {
			child.data = data
		}
		n.AddChild(e.Name, n.NewPersistentInode(ctx, child, child.attr()), true)
		child.load(ctx)
	}
}

func (n *node) attr() fs.StableAttr { return fs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.id} }

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<20, 1<<20, 1<<20
	return 0
}

func (n *node) fill(out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Nlink = n.id, n.mode, uint64(len(n.data)), 1
	out.Blksize, out.Blocks = 4096, (out.Size+511)/512
	out.Owner = fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	out.SetTimes(&n.mtime, &n.mtime, &n.mtime)
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.volume.Lock()
	defer n.volume.Unlock()
	n.fill(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.volume.Lock()
	defer n.volume.Unlock()
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
	}
	if size, ok := in.GetSize(); ok {
		n.apply(change{truncate: int64(size)})
	}
	n.fill(&out.Attr)
	return 0
}

func (n *node) Lookup(_ context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.volume.Lock()
	defer n.volume.Unlock()
	inode := n.GetChild(name)
	if inode == nil {
		return nil, syscall.ENOENT
	}
	inode.Operations().(*node).fill(&out.Attr)
	return inode, 0
}

func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode := n.make(ctx, name, syscall.S_IFREG|mode&0o7777, out)
	return inode, nil, 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, syscall.S_IFDIR|mode&0o7777, out), 0
}

func (n *node) make(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) *fs.Inode {
	n.volume.Lock()
	defer n.volume.Unlock()
	child := n.volume.newNode(atomic.AddUint64(&n.volume.next, 1)-1, mode)
	child.fill(&out.Attr)
	inode := n.NewPersistentInode(ctx, child, child.attr())
	n.AddChild(name, inode, true)
	n.volume.rename(entry{n.id, name, child.id})
	return inode
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.volume.Lock()
	defer n.volume.Unlock()
	n.volume.rename(entry{n.id, name, 0})
	return 0
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if child := n.GetChild(name); child != nil && len(child.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return n.Unlink(ctx, name)
}

// The bridge moves the child once this has returned.
func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	n.volume.Lock()
	defer n.volume.Unlock()
	child := n.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	n.volume.rename(entry{n.id, name, 0}, entry{parent.(*node).id, newName, child.Operations().(*node).id})
	return 0
}

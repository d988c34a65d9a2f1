// lossyfs is a file system that forgets like a disk whose power is cut. What was written, created, renamed or removed
// since the last fsync of that file or that directory is in memory only:
//
//	lossyfs STORE MOUNTPOINT
//
// It prints "mounted" and then obeys lines on its standard input:
//
//	sync          everything becomes durable
//	cut           the power is gone: what was not synced is lost; prints what was, unmounts, ends
//	cut SEED      the same, but the disk had got round to some of it: any sectors, and a prefix of the names
//
// The end of its input is a cut. Mounting the same store again shows what a machine would find after it came back.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: lossyfs STORE MOUNTPOINT"))
	}
	volume, err := openVolume(os.Args[1])
	if err != nil {
		fail(err)
	}
	server, err := mount(volume, os.Args[2])
	if err != nil {
		fail(err)
	}
	fmt.Println("mounted")
	obey(volume)
	unmount(server, os.Args[2])
}

// The kernel may keep what it has read: nobody changes a file but through it.
func mount(volume *volume, directory string) (*fuse.Server, error) {
	forever := time.Hour
	return fs.Mount(directory, volume.root(), &fs.Options{
		EntryTimeout: &forever,
		AttrTimeout:  &forever,
		MountOptions: fuse.MountOptions{
			FsName:            "lossyfs",
			Name:              "lossyfs",
			DirectMountStrict: true,
			DisableXAttrs:     true,
			MaxWrite:          1 << 20,
		},
	})
}

func obey(volume *volume) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 1 && words[0] == "sync":
			volume.syncAll()
			fmt.Println("synced")
		case len(words) > 0 && words[0] == "cut":
			fmt.Println(volume.cut(chooser(words[1:])))
			return
		default:
			fail(fmt.Errorf("unknown order %q", lines.Text()))
		}
	}
	volume.cut(nil)
}

func chooser(words []string) *rand.Rand {
	if len(words) == 0 {
		return nil
	}
	seed, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		fail(err)
	}
	return rand.New(rand.NewSource(seed))
}

// Whoever still holds a file open must not keep the mount point busy: it is taken away from under them.
func unmount(server *fuse.Server, directory string) {
	if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
		fail(err)
	}
	_ = server
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "lossyfs:", err)
	os.Exit(1)
}

package auditfile_test

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/fstest"

	"github.com/intercomrbac/intercomrbac/auditfile"
)

const sectorSize = 512

var errPower = errors.New("the power is off")

// simDisk is a directory on a simulated disk: what was not synced is lost, kept, zeroed or garbage, sector by sector, when
// the power is cut. A sector keeps the bytes that were synced already. It is safe for concurrent use.
type simDisk struct {
	mu      sync.Mutex
	rand    *rand.Rand
	names   map[string]*simInode // as the process sees them
	durable map[string]*simInode
	ops     int // that change or sync something
	cutAt   int // the number of the one at which the power goes; 0 if none
	off     bool
	fault   func(op string, n int) error // fails an operation; a write then writes a part
	stuck   chan struct{}                // if there is one, operations wait until it is closed

	lieSync, lieTruncate bool // the mutants: succeed and do nothing
}

type simInode struct {
	data  []byte // as the process sees it
	disk  []byte
	dirty map[int]bool // sectors
}

func newSimDisk(seed uint64) *simDisk {
	return &simDisk{rand: rand.New(rand.NewPCG(seed, 1)), names: map[string]*simInode{}, durable: map[string]*simInode{}}
}

// fail makes operations fail as it says; nil ends that.
func (d *simDisk) fail(fault func(op string, n int) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// hang makes operations wait until the function is called.
func (d *simDisk) hang() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stuck := make(chan struct{})
	d.stuck = stuck
	return func() { close(stuck) }
}

// count is how many operations there were.
func (d *simDisk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// step counts an operation, and fails it where that is its turn.
func (d *simDisk) step(op string) error {
	if d.stuck != nil {
		stuck := d.stuck
		d.mu.Unlock()
		<-stuck
		d.mu.Lock()
	}
	if d.off {
		return errPower
	}
	d.ops++
	if d.ops == d.cutAt {
		d.off = true
	}
	if d.fault != nil {
		return d.fault(op, d.ops)
	}
	return nil
}

// Open implements fs.FS.
func (d *simDisk) Open(name string) (fs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := fstest.MapFS{}
	for n, inode := range d.names {
		files[n] = &fstest.MapFile{Data: inode.data}
		if n == name {
			files[n].Data = slices.Clone(inode.data)
		}
	}
	return files.Open(name)
}

func (d *simDisk) Create(name string) (auditfile.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("create"); err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, fs.ErrExist
	}
	d.names[name] = &simInode{dirty: map[int]bool{}}
	return &simFile{d, d.names[name]}, d.power()
}

func (d *simDisk) Append(name string) (auditfile.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &simFile{d, d.names[name]}, nil
}

func (d *simDisk) Has(name string, f auditfile.File) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[name] == f.(*simFile).inode
}

func (d *simDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("sync directory"); err != nil {
		return err
	}
	if err := d.power(); err != nil {
		return err
	}
	if !d.lieSync {
		d.durable = maps.Clone(d.names)
	}
	return nil
}

func (d *simDisk) Close() error { return nil }

func (d *simDisk) power() error {
	if d.off {
		return errPower
	}
	return nil
}

// cut returns what is there when the power comes back.
func (d *simDisk) cut() *simDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newSimDisk(d.rand.Uint64())
	for name, inode := range d.names {
		if d.durable[name] == inode || d.rand.IntN(2) == 0 {
			data := inode.cut(d.rand)
			after.names[name] = &simInode{data: data, disk: slices.Clone(data), dirty: map[int]bool{}}
		}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// clone is the same disk once more.
func (d *simDisk) clone() *simDisk {
	after := newSimDisk(1)
	for name, inode := range d.names {
		after.names[name] = &simInode{data: slices.Clone(inode.data), disk: slices.Clone(inode.disk), dirty: maps.Clone(inode.dirty)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (i *simInode) cut(r *rand.Rand) []byte {
	size := len(i.disk)
	switch r.IntN(3) {
	case 0:
		size = len(i.data)
	case 1:
		if more := len(i.data) - size; more > 0 {
			size += r.IntN(more + 1)
		}
	}
	out := make([]byte, size)
	copy(out, i.disk)
	same := 0 // bytes that were synced, and are still to stay
	for same < min(len(i.data), len(i.disk)) && i.data[same] == i.disk[same] {
		same++
	}
	for sector := 0; sector*sectorSize < size; sector++ {
		if !i.dirty[sector] {
			continue
		}
		from, to := max(sector*sectorSize, same), min((sector+1)*sectorSize, size)
		switch kind := r.IntN(4); {
		case from >= to || kind == 0: // as it was on the disk
		case kind == 1:
			copy(out[from:to], i.data[min(from, len(i.data)):])
		case kind == 2:
			clear(out[from:to])
		default:
			for k := from; k < to; k++ {
				out[k] = byte(r.Uint32())
			}
		}
	}
	return out
}

type simFile struct {
	d     *simDisk
	inode *simInode
}

// touch makes the sectors of some bytes dirty.
func (i *simInode) touch(from, to int) {
	for sector := from / sectorSize; sector*sectorSize < to; sector++ {
		i.dirty[sector] = true
	}
}

func (f *simFile) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.off {
		return 0, errPower
	}
	err := f.d.step("write")
	if err != nil {
		p = p[:f.d.rand.IntN(len(p)+1)]
	}
	from := len(f.inode.data)
	f.inode.data = append(f.inode.data, p...)
	f.inode.touch(from, len(f.inode.data))
	if err != nil {
		return len(p), err
	}
	return len(p), f.d.power()
}

func (f *simFile) Rewrite(b []byte, at int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.off {
		return errPower
	}
	err := f.d.step("rewrite")
	if err != nil {
		b = b[:f.d.rand.IntN(len(b)+1)]
	}
	copy(f.inode.data[at:], b)
	f.inode.touch(int(at), int(at)+len(b))
	if err != nil {
		return err
	}
	return f.d.power()
}

func (f *simFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step("truncate"); err != nil {
		return err
	}
	if f.d.lieTruncate {
		return nil
	}
	f.inode.data = f.inode.data[:size:size]
	f.inode.touch(int(size), int(size)+1)
	return f.d.power()
}

// Sync writes the sectors that are dirty. One that fails takes them for written all the same, as systems do.
func (f *simFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.off {
		return errPower
	}
	err := f.d.step("sync")
	if f.d.off {
		return errPower
	}
	if f.d.lieSync {
		return err
	}
	i := f.inode
	disk := make([]byte, len(i.data))
	copy(disk, i.disk)
	for sector := range i.dirty {
		if from := sector * sectorSize; from < len(i.data) && (err == nil || f.d.rand.IntN(2) == 0) {
			copy(disk[from:min(from+sectorSize, len(disk))], i.data[from:])
		}
	}
	i.disk = disk
	clear(i.dirty)
	return err
}

func (f *simFile) Close() error { return nil }

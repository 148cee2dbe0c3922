package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/remote"
	"varve/internal/sshtest"
	"varve/internal/storetest"
)

// pushed is a store on the other side into which clients push.
type pushed struct {
	*over
	store string // its path on the other side
	far   string // the same as a place
	src   string // on this machine
}

// push starts a server with an empty tree store, and makes a source.
func push(t *testing.T) *pushed {
	t.Helper()
	o := start(t, sshtest.Options{})
	p := &pushed{over: o, store: o.there("store"), src: o.at("src")}
	p.far = "ssh://far" + p.store
	o.good("init", "-s", p.store)
	o.plant(p.src)
	return p
}

// appender returns the same with a key that may add to a series and no more, and its log.
func (p *pushed) appender(series string, args ...string) (*pushed, string) {
	p.Helper()
	c := *p
	var log string
	c.over, log = p.key(append([]string{"--append", "--series", series, "-s", p.store}, args...)...)
	return &c, log
}

// list returns what the server itself sees.
func (p *pushed) list() []varve.Snapshot {
	p.Helper()
	return p.snapshots(p.store)
}

// holds wants the newest snapshot of a series to be what the source is.
func (p *pushed) holds(series string) {
	p.Helper()
	p.equal(latest(p.store, series, p.src), p.src, whole)
}

// inode returns the inode of a file.
func (o *over) inode(path string) uint64 {
	o.Helper()
	var s syscall.Stat_t
	o.must(syscall.Lstat(path, &s))
	return s.Ino
}

// in returns where a snapshot of the store has a file of the source.
func (p *pushed) in(s varve.Snapshot, name string) string {
	return filepath.Join(p.store, s.Location, p.src, name)
}

func TestSeed_L9_ADeviceWithoutAnAddressPushes(t *testing.T) {
	p := push(t)
	laptop, _ := p.appender("laptop")
	through := sshtest.NewProxy(t, p.Addr, sshtest.Faults{})
	laptop.over = laptop.with(through.Through(strings.Fields(laptop.ssh)))
	laptop.good("backup", "-s", p.far, "--series", "laptop", p.src)
	p.holds("laptop")
	if c := through.Counts(); c.Conns != 1 {
		t.Errorf("the device has opened %d connections", c.Conns)
	}
	if strings.Contains(p.Log(), "forward") {
		t.Errorf("something was forwarded:\n%s", p.Log())
	}
}

func TestSeed_M1_AForcedCommandIsAllThatAPusherNeeds(t *testing.T) {
	p := push(t)
	client, log := p.appender("m")
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
	before := takeCensus(t, p.Dir)
	ssh := strings.Fields(client.ssh)
	for _, words := range [][]string{{"far", "touch", p.there("sign")}, {"far", "sh", "-c", "id"}, {"-s", "far", "sftp"}, {"far", "varve", "serve", "--full", "-s", p.store}} {
		cmd := exec.CommandContext(t.Context(), ssh[0], append(ssh[1:], words...)...)
		cmd.Stdin = strings.NewReader("rm -rf " + p.store + "\n")
		if r := p.ended(cmd); r.code == 0 || strings.Contains(r.out, "uid=") {
			t.Errorf("%q went well: %+v", words, r)
		}
	}
	// Whatever is asked for, the role is the one of the key.
	client.fails(exitFailed, []string{"forget", "permission denied"}, "forget", "--force", "-s", p.far, "latest")
	client.fails(exitFailed, []string{"permission denied"}, "verify", "-s", p.far)
	client.fails(exitFailed, []string{`the role "append", which makes no stores`}, "init", p.far+"2")
	if d := takeCensus(t, p.Dir).differences(before); d != "" {
		t.Errorf("there are changes:\n%s", d)
	}
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "msg=refused") != 2 {
		t.Errorf("the log is %s, %v", text, err)
	}
}

func TestSeed_M2_WritingAndReadingAreSeparateRights(t *testing.T) {
	p := push(t)
	writer, log := p.appender("m")
	reader := *p
	reader.over, _ = p.key("--read", "-s", p.store)
	p.good("backup", "-s", p.store, "--series", "another", p.src)
	writer.good("backup", "-s", p.far, "--series", "m", p.src)

	if list := writer.snapshots(p.far); len(list) != 1 || list[0].Series != "m" {
		t.Errorf("the writer sees %+v", list)
	}
	if list := reader.snapshots(p.far); len(list) != 2 {
		t.Errorf("the reader sees %+v", list)
	}
	reader.good("restore", "-s", p.far, "--series", "m", "latest:"+p.src, "-t", "out")
	p.equal(p.at("out"), p.src, whole)
	before := takeCensus(t, p.store)
	for _, args := range [][]string{{"cat", "latest:" + p.src + "/one"}, {"restore", "latest", "-t", "out2"}, {"forget", "--force", "latest"},
		{"backup", "--series", "another", p.src}, {"backup", "--series", "new", p.src}} {
		writer.fails(exitFailed, []string{"permission denied"}, append(args, "-s", p.far)...)
	}
	for _, args := range [][]string{{"forget", "--force", "latest"}, {"forget", "--keep-last", "1"}, {"backup", "--series", "m", p.src}} {
		reader.fails(exitFailed, []string{"permission denied"}, append(args, "-s", p.far, "--series", "m")...)
	}
	if d := takeCensus(t, p.store).differences(before); d != "" {
		t.Errorf("there are changes:\n%s", d)
	}
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "msg=refused") != 5 {
		t.Errorf("the log is %s, %v", text, err)
	}

	locks, err := osfs.Open(filepath.Join(p.store, ".varve/locks"))
	p.must(err)
	defer locks.Close()
	lease, err := locks.Lock("m")
	p.must(err)
	defer lease.Close()
	writer.fails(exitBusy, []string{"in use", "\nhint: another backup"}, "backup", "-s", p.far, "--series", "m", p.src)
}

func TestSeed_M3_AReadErrorOnTheClientIsNotACompleteSnapshot(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m")
	p.write(filepath.Join(p.src, "secret"), "closed")
	client.env = []string{"VARVE_TEST_DENY=secret"}
	client.fails(exitIncomplete, []string{"skipped: " + p.src + "/secret: ", "permission denied\n", "is incomplete: 1 object could not be read"},
		"backup", "-s", p.far, "--series", "m", p.src)
	list := p.list()
	if len(list) != 1 || list[0].State != varve.Incomplete || list[0].Skipped != 1 {
		t.Errorf("the server has %+v", list)
	}
	client.env = nil
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
}

func TestSeed_M4_OnlyTheServerKnowsTimeAndPolicy(t *testing.T) {
	p := push(t)
	client, log := p.appender("m")
	begun := time.Now()
	for _, year := range []string{"2016", "2036", "1970"} {
		client.env = []string{"VARVE_TEST_NOW=" + year + "-11-20T10:00:00Z"}
		r := client.call(exitGood, "backup", "-s", p.far, "--series", "m", p.src)
		if r.out != "" {
			t.Errorf("printed %s", r.out)
		}
	}
	for i, s := range p.list() {
		if s.Seq != uint64(i+1) || s.Time.Before(begun.Add(-time.Second)) || s.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("the server has taken %v for the time, %d for the number", s.Time, s.Seq)
		}
	}
	client.env = nil
	client.fails(exitFailed, []string{"pin", "permission denied"}, "backup", "-s", p.far, "--series", "m", "--pin", p.src)
	client.fails(exitFailed, []string{"permission denied"}, "forget", "-s", p.far, "--keep-last", "1")
	if list := p.list(); len(list) != 3 || list[2].Pinned {
		t.Errorf("the server has %+v", list)
	}
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "push made a snapshot") != 3 {
		t.Errorf("the log is %s, %v", text, err)
	}
}

func TestSeed_M5_UnchangedFilesAreLinked(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m")
	for range 3 {
		client.good("backup", "-s", p.far, "--series", "m", p.src)
	}
	list := p.list()
	if len(list) != 3 || list[0].Added == 0 || list[1].Added+list[2].Added != 0 {
		t.Fatalf("the server has %+v", list)
	}
	for _, name := range []string{"one", "sub/two", "sub/deep/three"} {
		if first := p.inode(p.in(list[0], name)); p.inode(p.in(list[1], name)) != first || p.inode(p.in(list[2], name)) != first {
			t.Errorf("%s is not linked", name)
		}
	}
}

func TestSeed_M6_NoSecondCopyAndNoWriteThroughALink(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m")
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	first := p.list()[0]
	before := takeCensus(t, p.in(first, ""))
	p.must(os.Chmod(filepath.Join(p.src, "one"), 0o600))
	f, err := os.OpenFile(filepath.Join(p.src, "sub/deep/three"), os.O_WRONLY, 0) // as rsync --inplace does
	p.must(err)
	_, err = f.WriteString("THREE")
	p.must(errors.Join(err, f.Close()))
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
	second := p.list()[1]
	if d := takeCensus(t, p.in(first, "")).differences(before); d != "" {
		t.Errorf("the first snapshot has changed:\n%s", d)
	}
	if p.inode(p.in(first, "sub/two")) != p.inode(p.in(second, "sub/two")) || second.Added > 100 {
		t.Errorf("what has not changed is there twice: %+v", second)
	}
}

func TestSeed_M8_AFailedPushHarmsNothingAndIsContinued(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m")
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	const total = 16 * 200 << 10
	p.fill(filepath.Join(p.src, "new"), 16, 200<<10)
	line := sshtest.NewProxy(t, p.Addr, sshtest.Faults{})
	client.over = client.with(line.Through(strings.Fields(client.ssh)))
	before := p.list()
	step := int64(total / 8)
	if testing.Short() {
		step = total / 2
	}
	for cut := int64(2000); cut < total; cut += step {
		line.Set(sshtest.Faults{CutAfter: cut, Count: sshtest.Up})
		r := client.run("backup", "-s", p.far, "--series", "m", p.src)
		if r.code == exitGood {
			break // all had arrived before
		}
		if r.code != exitNotRun {
			t.Errorf("cut after %d bytes: exit code %d: %s", cut, r.code, r.errs)
		}
		if list := p.settled("m"); len(list) != len(before) || list[0].ID != before[0].ID {
			t.Errorf("cut after %d bytes: the server has %+v", cut, list)
		}
		p.good("verify", "-s", p.store)
	}
	line.Set(sshtest.Faults{})
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
	if n := len(p.list()); n > 2 {
		t.Errorf("the server has %d snapshots, want 2", n)
	}
	p.good("verify", "-s", p.store)
}

// settled waits until nobody works on a series, as a server may after its client has gone, and returns what there is.
func (p *pushed) settled(series string) []varve.Snapshot {
	p.Helper()
	for {
		r := p.run("forget", "-s", p.store, "--series", series, "--keep-last", "1000")
		if r.code == exitGood {
			return p.list()
		}
		if r.code != exitBusy || sleep(p.Context(), 20*time.Millisecond) != nil {
			p.Fatalf("exit code %d: %s", r.code, r.errs)
		}
	}
}

func TestSeed_M9_AWindowsClientCanPush(t *testing.T) {
	t.Parallel()
	work := sshtest.Dir(t, -1)
	o := &over{T: t, Server: &sshtest.Server{}, work: work, ssh: "false"}
	o.good("init", "-s", "store")
	serve := o.process(t.Context(), "serve", "--append", "--series", "laptop", "-s", "store", "--log", "log")
	in, err := serve.StdinPipe()
	o.must(err)
	out, err := serve.StdoutPipe()
	o.must(err)
	o.must(spawn(serve))
	client, err := remote.Dial(t.Context(), ends{out, in}, remote.Options{Program: "windows"})
	o.must(err)

	// No owners, modes made up, times of FAT, names that no DOS had.
	src := storetest.NewTree()
	names := []string{"C", "C/Users", "C/Users/Ann", "C/Users/Ann/My Documents", "C/Users/Ann/CON", "C/Users/Ann/back\\slash", "C/Users/Ann/trailing dot.",
		"C/Users/Ann/trailing space ", "C/Users/Ann/a:stream", "C/Users/Ann/Ünïcode", "C/Users/Ann/README.TXT", "C/Users/Ann/readme.txt"}
	for i, name := range names {
		if i < 4 {
			src.Dir(name)
		} else {
			src.File(name, "content of "+name)
		}
		src.Edit(name, func(o *storetest.Object) {
			o.UID, o.GID, o.User, o.Group, o.Xattrs, o.Flags = 0, 0, "", "", nil, 0
			o.MTime = varve.Time{Sec: 1_700_000_000 + 2*int64(i)}
		})
	}
	snap, err := client.Store().Save(t.Context(), src, varve.SaveOptions{Series: "laptop", Host: "ANN-PC", Sources: []string{"/C/Users/Ann"}, Now: time.Now})
	o.must(err)
	o.must(client.Close())
	o.must(serve.Wait())
	if snap.State != varve.Complete || snap.Host != "ANN-PC" || snap.Skipped != 0 {
		t.Errorf("%+v", snap)
	}
	o.call(exitGood, "restore", "-s", "store", "latest", "-t", "out")
	for i, name := range names[4:] {
		content, err := os.ReadFile(filepath.Join(work, "out", name))
		if err != nil || string(content) != "content of "+name {
			t.Errorf("%q holds %q, %v", name, content, err)
			continue
		}
		info, err := os.Stat(filepath.Join(work, "out", name))
		if err != nil || info.ModTime().Unix() != 1_700_000_000+2*int64(i+4) {
			t.Errorf("%q: %v, %v", name, info.ModTime(), err)
		}
	}
}

// ends are the two pipes of a process as one.
type ends struct {
	io.ReadCloser
	in io.WriteCloser
}

func (e ends) Write(p []byte) (int, error) { return e.in.Write(p) }

func (e ends) Close() error { return errors.Join(e.in.Close(), e.ReadCloser.Close()) }

//go:build linux

package e2e

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/sshtest"
)

// mostMemory is what a hostile server may make the program hold, in bytes.
const mostMemory = 256 << 20

// badNames are names that a server may put into a listing, and no system can have.
var badNames = []string{"a/..", "../..", "", "a\x00b", "/", "/etc", "../escaped", "./escaped"}

// prey is somebody who believes a server that lies.
type prey struct {
	*user
	sandbox string // the user works in a directory below it
	far     string // what the server has
}

// believer returns one, and what the server has: files, and below it a directory that is named loop.
func believer(t *testing.T) *prey {
	t.Helper()
	standIn(t) // skips where there is no sftp-server
	p := &prey{user: newUser(t, nil), sandbox: sshtest.Dir(t, -1), far: sshtest.Dir(t, -1)}
	p.work = p.sandbox + "/work"
	ok(t, os.Mkdir(p.work, 0o755))
	p.key = sshKey(t)
	p.honest()
	return p
}

// honest lets the server say nothing but the truth.
func (p *prey) honest() { p.lied("") }

func (p *prey) lied(lie string) {
	exe, err := os.Executable()
	ok(p, err)
	p.ssh = []string{"env", villainous + "=truth", exe}
	if lie != "" {
		p.ssh[1] = villainous + "=" + lie
	}
}

// told runs the program with a server that lies. It must end, but not well, and say all of this.
func (p *prey) told(lie string, says []string, args ...string) {
	p.Helper()
	r := p.hears(lie, args...)
	if r.code == 0 {
		p.Errorf("%s: varve %s ended well: %s", lie, strings.Join(args, " "), clip(r.out+r.errs))
	}
	for _, text := range says {
		if !strings.Contains(r.errs, text) {
			p.Errorf("%s: varve %s does not say %q but, with exit code %d:\n%s", lie, strings.Join(args, " "), text, r.code, clip(r.errs))
		}
	}
}

// hears runs the program with a server that lies. It must end, with no more memory than it may have.
func (p *prey) hears(lie string, args ...string) outcome {
	p.Helper()
	p.lied(lie)
	defer p.honest()
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	r := p.ended(p.process(ctx, args...))
	if ctx.Err() != nil {
		p.Errorf("%s: varve %s goes on and on", lie, strings.Join(args, " "))
	}
	if r.memory > mostMemory && r.memory > ownPeak() { // what the child had before it became varve is this process's
		p.Errorf("%s: varve %s took %d MiB", lie, strings.Join(args, " "), r.memory>>20)
	}
	return r
}

// confined wants nothing to have come to be in the sandbox, outside of the directory in which the user works, since before.
func (p *prey) confined(before map[string]string) {
	p.Helper()
	for line := range strings.Lines(run(p.T, p.sandbox, "find", ".", "-path", "./work", "-prune", "-o", "-print")) {
		path := filepath.Join(p.sandbox, strings.TrimSpace(line))
		if _, there := before[path]; !there {
			p.Errorf("%s has come to be", path)
		}
	}
}

// quoted returns a name as messages have it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, "\x00", `\x00`) + `"` }

func named(name string) string { return "name:" + hex.EncodeToString([]byte(name)) }

// TestAHostileServerAsASourceIsRefused pulls from a server that lies.
func TestAHostileServerAsASourceIsRefused(t *testing.T) {
	t.Parallel()
	p := believer(t)
	fill(t, p.far+"/src", 1, 3, 3000)
	ok(t, os.Mkdir(p.far+"/src/"+loop, 0o755))
	ok(t, os.Mkdir(p.far+"/src/"+loop+"/"+loop, 0o755))
	p.good("init", "store")
	outside := impression(t, p.sandbox)
	backup := []string{"backup", "-s", "store", "--series", "s", "far:" + p.far + "/src"}
	for _, name := range badNames {
		p.told(named(name), []string{quoted(name)}, backup...)
	}
	for lie, says := range map[string]string{"endless": "no end", "cyclic": "is not followed", "large": "cut short", "packet": "breaks the SFTP protocol",
		"garbage": "breaks the SFTP protocol"} {
		p.told(lie, []string{says}, backup...)
	}
	for _, s := range p.snapshots("store") {
		if s.State == varve.Complete {
			t.Errorf("lies made %+v", s)
		}
	}
	p.hears("small", backup...) // a file is as large as its server says
	p.good("verify", "-s", "store")
	p.confined(outside)
	p.honest()
	p.good("backup", "-s", "store", "--series", "s", "far:"+p.far+"/src")
}

// TestAHostileServerAsAStoreHarmsNobody reads stores of a server that lies, and restores from there and to there.
func TestAHostileServerAsAStoreHarmsNobody(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tree", "vault"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := believer(t)
			source := sshtest.Dir(t, -1)
			fill(t, source, 1, 3, 3000)
			wholeSeconds(t, source)
			store := "far:" + p.far + "/store"
			if kind == "vault" {
				p.vault(store)
			} else {
				p.good("init", store)
			}
			p.good("backup", "-s", store, "--series", "s", source)
			before := impression(t, p.sandbox)
			for _, name := range badNames {
				p.told(named(name), []string{quoted(name)}, "snapshots", "-s", store, "--no-cache")
				p.told(named(name), nil, "backup", "-s", store, "--series", "s", source)
				p.told(named(name), nil, "restore", "-s", store, "latest:"+source, "-t", "out", "--no-cache")
			}
			for _, lie := range []string{"endless", "small", "large", "packet", "garbage"} {
				p.told(lie, nil, "restore", "-s", store, "latest:"+source, "-t", "out", "--no-cache")
			}
			if kind == "vault" { // a wrong answer is not asked for again
				begin := time.Now()
				p.told("large", []string{"damaged", "get config", "instead of"}, "snapshots", "-s", store, "--no-cache")
				if took := time.Since(begin); took > 20*time.Second {
					t.Errorf("a lie about sizes is believed for %s", took)
				}
			}
			p.confined(before)
			p.good("restore", "-s", store, "latest:"+source, "-t", "truth")
			byRsync(t, source, filepath.Join(p.work, "truth"))
			p.told(named("../store"), []string{quoted("../store")}, "restore", "-s", store, "latest:"+source, "-t", "far:"+p.far+"/target", "--delete")
			p.good("verify", "-s", store)
		})
	}
}

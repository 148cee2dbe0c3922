package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

// twoPrograms are results in which varve takes a fifth of the time of rsync, and more memory and space.
func twoPrograms() *results {
	r := &results{set: newA(1), rounds: 3, peers: []string{"varve", "rsync", "cp-al"}, size: census{files: 117_683, dirs: 14, bytes: 5e6}}
	for round := range 3 {
		wall := time.Duration(round+1) * time.Second
		r.add(sample{stepFirst, "varve", usage{wall, wall, 40e6}, 103e6})
		r.add(sample{stepFirst, "rsync", usage{5 * wall, 4 * wall, 16e6}, 100e6})
		r.add(sample{stepUnchanged, "varve", usage{wall, wall, 400e6}, 103e6})
		r.add(sample{stepUnchanged, "rsync", usage{2 * wall, wall, 16e6}, 100e6})
		r.add(sample{stepRestore, "varve", usage{wall, wall, 40e6}, 203e6})
	}
	return r
}

// fields returns the words of the line of a report that begins with the given words.
func fields(t *testing.T, report, begin string) string {
	t.Helper()
	for line := range strings.Lines(report) {
		words := strings.Join(strings.Fields(line), " ")
		if strings.HasPrefix(words, begin) {
			return words
		}
	}
	t.Fatalf("no line begins with %q:\n%s", begin, report)
	return ""
}

func TestTheReportShowsMediansRatiosAndTargets(t *testing.T) {
	var b bytes.Buffer
	if err := twoPrograms().print(&b); err != nil {
		t.Fatal(err)
	}
	report := b.String()
	for _, want := range []string{
		"first varve 2.00 2.00 40.0 103.0 peak ≤ 256 MiB yes",
		"rsync 10.00 8.00 16.0 100.0 0.200 0.250 2.500 1.030 wall ≤ 0.5 yes, space ≤ 1.01 NO",
		"unchanged varve 2.00 2.00 400.0 103.0 peak ≤ 256 MiB NO",
		"rsync 4.00 2.00 16.0 100.0 0.500 1.000 25.000 1.030 wall ≤ 0.2 NO",
		"restore varve 2.00 2.00 40.0 peak",
		"cp-al failed",
	} {
		if !strings.Contains(strings.Join(strings.Fields(report), " "), want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
	if got := fields(t, report, "Set A"); !strings.HasSuffix(got, "117,683 files, 14 directories, 5 MB") {
		t.Errorf("heading: %s", got)
	}
}

func TestWithoutVarveThereAreFiguresAndNoRatios(t *testing.T) {
	r := twoPrograms()
	r.peers = []string{"rsync"}
	r.samples = r.samples[1:2]
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	if got, want := fields(t, b.String(), "first rsync"), "first rsync 5.00 4.00 16.0 100.0 wall ≤ 0.5, space ≤ 1.01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of two other vaults, one is fast and large, the other slow and small.
func TestAVaultIsComparedWithVaultsAndTheBestOfThem(t *testing.T) {
	r := &results{set: newA(1), rounds: 1, peers: []string{"varve", "varve-vault", "restic", "borg"}}
	r.add(sample{stepFirst, "varve", usage{time.Minute, time.Minute, 1e6}, 9e9})
	r.add(sample{stepFirst, "varve-vault", usage{2 * time.Second, 2 * time.Second, 310e6}, 45e6})
	r.add(sample{stepFirst, "restic", usage{10 * time.Second, 40 * time.Second, 155e6}, 100e6})
	r.add(sample{stepFirst, "borg", usage{20 * time.Second, 20 * time.Second, 620e6}, 50e6})
	r.add(sample{stepVerify, "varve-vault", usage{2 * time.Second, 2 * time.Second, 400e6}, 0})
	r.add(sample{stepVerify, "borg", usage{4 * time.Second, 4 * time.Second, 620e6}, 0})
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"varve-vault 2.00 2.00 310.0 45.0 peak ≤ 300 MiB yes",
		"restic 10.00 40.00 155.0 100.0 0.200 0.050 2.000 0.450 wall ≤ 0.3 yes, peak ≤ 1 NO",
		"borg 20.00 20.00 620.0 50.0 0.100 0.100 0.500 0.900 wall ≤ 0.3 yes, peak ≤ 1 yes",
		"best 10.00 20.00 155.0 50.0 0.200 0.100 2.000 0.900 space ≤ 0.92 yes",
		"verify varve failed",
		"varve-vault 2.00 2.00 400.0 peak ≤ 300 MiB NO",
		"restic failed",
		"best 4.00 4.00 620.0 0.500 0.500 0.645 wall ≤ 0.4 NO",
	} {
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}

func TestTheOldestSnapshotIsFoundByTime(t *testing.T) {
	id, err := oldest([]byte(`[{"id":"b","time":"2026-02-01T00:00:00Z"},{"id":"a","time":"2026-01-31T23:00:00.5-02:00"},
		{"id":"c","time":"2026-02-01T00:59:59.999+01:00","files":3}]`))
	if err != nil || id != "c" {
		t.Errorf("got %q, %v", id, err)
	}
	for _, bad := range []string{"", "[]", "{}", "[{}]", `[{"id":"a","time":"yesterday"}]`} {
		if id, err := oldest([]byte(bad)); err == nil {
			t.Errorf("%q gave %q", bad, id)
		}
	}
}

func TestBadCommandLinesAreRefused(t *testing.T) {
	for _, args := range []string{
		"-sets E", "-sets A,A", "-sets=", "-peers tar", "-rounds 0", "-rounds 1000", "-scale 0", "-scale -1", "-scale NaN", "-scale 11",
		"extra", "-unknown",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
		if status := run(strings.Fields(args), io.Discard, io.Discard); status != exitUsage {
			t.Errorf("%q: status %d", args, status)
		}
	}
	opts, err := parse(strings.Fields("-sets A,D -peers varve,rsync -scale 0.5"), io.Discard)
	if err != nil || len(opts.sets) != 2 || len(opts.peers) != 2 || opts.rounds != 3 {
		t.Errorf("got %+v, %v", opts, err)
	}
}

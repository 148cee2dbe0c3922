package adopt_test

import (
	"testing"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/storetest"
)

func TestDirectoriesWhoseTimesContradictTheirNumbersAreDoubtful(t *testing.T) {
	style := adopt.Style{Levels: []string{"alpha", "beta"}}
	dir := place(t, "beta.1", "alpha.1", "beta.0", "alpha.2", "alpha.0") // each is made later than the one before
	var doubtful []string
	list, err := adopt.Find(dir, style)
	must(t, err)
	for _, f := range list {
		if f.Condition == adopt.Doubtful {
			doubtful = append(doubtful, f.Path)
		} else if f.Condition != adopt.Whole {
			t.Errorf("%+v", f)
		}
	}
	want(t, doubtful, "alpha.1") // without it the others are in order
}

func TestDirectoriesThatLostTheirTimesAreDoubtfulButOne(t *testing.T) {
	dir := place(t, "alpha.1", "alpha.0", "alpha.2")
	for _, name := range []string{"alpha.0", "alpha.1", "alpha.2"} {
		must(t, dir.Set(name, &varve.Entry{MTime: varve.Time{Sec: 77}}, varve.MTime))
	}
	list, err := adopt.Find(dir, adopt.Style{Levels: []string{"alpha"}})
	must(t, err)
	whole := 0
	for _, f := range list {
		if f.Condition == adopt.Whole {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d of %d are whole", whole, len(list))
	}
}

func TestPointsTellTheirMachineAndPath(t *testing.T) {
	for source, want := range map[string][2]string{
		"/home/":                          {"", "/home"},
		"root@web1:/etc/":                 {"web1", "/etc"},
		"web1:etc":                        {"web1", ""},
		"web1::module/etc":                {"web1", ""},
		"rsync://u@web2:8730/module/etc/": {"web2", ""},
		"/odd:name/":                      {"", "/odd:name"},
	} {
		p := adopt.Point{Source: source}
		if got := [2]string{p.Host(), p.Path()}; got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if p := (adopt.Point{Source: "/usr/bin/dump db:/x", Script: true}); p.Host() != "" || p.Path() != "" {
		t.Errorf("a command: %q, %q", p.Host(), p.Path())
	}
}

func TestAConfigurationTellsWhetherSnapshotsAreOfSeveralThings(t *testing.T) {
	c := adopt.Config{Points: []adopt.Point{{Source: "/etc", Dest: "localhost"}, {Source: "w:/etc", Dest: "web/x"}, {Source: "w:/srv", Dest: "web"}}}
	if !c.Splits() || len(c.Of("web")) != 2 || len(c.Of("localhost")) != 1 || len(c.Of("x")) != 0 {
		t.Errorf("%v, %v", c.Splits(), c.Of("web"))
	}
	if c.Points = append(c.Points, adopt.Point{Source: "/srv", Dest: "."}); c.Splits() {
		t.Error("it splits, although one lies in the snapshot itself")
	}
}

func TestASourceSeenFromFurtherUpYieldsTheWay(t *testing.T) {
	src := storetest.NewTree()
	src.File("a", "text")
	src.Dir("d")
	src.File("d/b", "more")
	src.Link("d/c", "a")
	at := time.Unix(1000, 5)
	if adopt.Under(src, "", at) != varve.Source(src) {
		t.Error("nothing is above the root")
	}
	up := adopt.Under(src, "srv/www", at)
	want := src.Want()
	for i := range want {
		e := &want[i]
		e.Path = varve.Join("srv/www", e.Path)
		if i == 0 {
			e.Path = "srv/www"
		}
		if e.SameAs != "" {
			e.SameAs = "srv/www/" + e.SameAs
		}
	}
	way := varve.Entry{Kind: varve.Dir, Mode: 0o755, MTime: varve.TimeOf(at), Marks: varve.Passage}
	below := way
	below.Path = "srv"
	for _, d := range storetest.Differences(up, append([]varve.Entry{way, below}, want...), varve.Entry{Digest: varve.Digest{1}}) {
		t.Error(d)
	}
}

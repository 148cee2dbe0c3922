package selector

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
)

var zone = time.FixedZone("", 2*60*60)

// at makes a time in zone.
func at(t testing.TB, when string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04:05", when, zone)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// snap makes a snapshot whose ID begins with the digits of id.
func snap(t testing.TB, id, series string, seq uint64, when string) varve.Snapshot {
	t.Helper()
	s := varve.Snapshot{Series: series, Seq: seq, Time: at(t, when)}
	if _, err := hex.Decode(s.ID[:], []byte(id+strings.Repeat("0", 32-len(id)))); err != nil {
		t.Fatal(err)
	}
	return s
}

func fixture(t testing.TB) []varve.Snapshot {
	return []varve.Snapshot{
		snap(t, "a1b2c3d4e5", "s", 1, "2026-11-10 12:00:00"),
		snap(t, "a1b2c3d4f6", "s", 2, "2026-11-18 12:00:00"),
		snap(t, "12d4", "s", 3, "2026-11-19 10:20:31"),
		snap(t, "1763632800", "s", 4, "2026-11-20 10:19:00"),
		snap(t, "ff00", "s", 5, "2026-11-20 10:20:30"),
	}
}

func TestSelectUnderstandsEveryForm(t *testing.T) {
	list, now := fixture(t), at(t, "2026-11-20 10:30:00")
	list[4].Time = list[4].Time.Add(500_000_000)
	for expr, want := range map[string]uint64{
		"latest": 5, "latest~0": 5, "latest~1": 4, "latest~4": 1, "1B": 5, "3B": 3, "5B": 1, "01B": 5,
		"now": 5, "9D": 1, "10D": 0, "1D": 3, "2W": 0, "1h78m": 3, "0s": 5, "1M": 0, "9m": 5, "10m": 4, "1D1h": 2, "24h": 3,
		"12d": 3, "12D": 0, "12D4": 3, "a1b2c3d4e": 1, "A1B2C3D4F": 2, "f": 5, "1763632800": 4, "176": 4,
		"2026-11-20": 5, "2026-11-19": 3, "2026-11-17": 1, "2026-11-10": 1, "2026-11-09": 0, "2030-01-01": 5,
		"2026-11-20T10:20": 5, "2026-11-20 10:20": 5, "2026-11-20T10:19": 4, "2026-11-20T10:20:30": 5, "2026-11-20T10:20:29": 4,
		"2026-11-20 10:20:30": 5, "2026-11-20T10:20:30.5": 5, "2026-11-20T10:20:30.499999999": 4, "2026-11-20T10:20:30.500000000": 5,
		"2026-11-20T08:20Z": 5, "2026-11-20T08:19Z": 4, "2026-11-20T08:20:29Z": 4, "2026-11-20T08:20:30.5Z": 5,
		"2026-11-20T09:20+01:00": 5, "2026-11-20T10:20+0200": 5, "2026-11-20T05:20:30-03:00": 5, "2026-11-20 05:20:29-03:00": 4,
	} {
		got, err := Select(list, expr, now)
		if (err == nil) != (want > 0) || got.Seq != want {
			t.Errorf("%s: got %d, %v; want %d", expr, got.Seq, err, want)
		}
	}
}

func TestSelectReadsSecondsSince1970(t *testing.T) {
	list := fixture(t)[:3]
	now := at(t, "2026-11-20 10:30:00")
	second := list[2].Time.Unix()
	for expr, want := range map[string]uint64{"1795076431": 3, "@1795076431": 3, "1795076430": 2, "@1795076430": 2, "@0": 0} {
		got, err := Select(list, expr, now)
		if (err == nil) != (want > 0) || got.Seq != want {
			t.Errorf("%s with a snapshot of %d: got %d, %v; want %d", expr, second, got.Seq, err, want)
		}
	}
}

func TestSeed_L7_TimesMeanTheNewestStateAtOrBefore(t *testing.T) {
	list := []varve.Snapshot{snap(t, "aa", "s", 1, "2026-11-10 10:30:00"), snap(t, "bb", "s", 2, "2026-11-20 01:00:00"),
		snap(t, "cc", "s", 3, "2026-11-20 10:00:00")}
	now := at(t, "2026-11-20 10:30:00")
	for expr, want := range map[string]uint64{
		"now": 3, "10D": 1, "1h78m": 2, "30s": 3, "3B": 1, "2026-11-20T10:00:00+02:00": 3, "2026-11-20T09:59:59+02:00": 2,
		"2026-11-20": 3, // not midnight: who names today wants what today's backups saw
		"2026-11-19": 1,
	} {
		if got, err := Select(list, expr, now); err != nil || got.Seq != want {
			t.Errorf("%s: got %d, %v; want %d", expr, got.Seq, err, want)
		}
	}
	if _, err := Select(list, "11-20-2026", now); err == nil || !strings.Contains(err.Error(), "2026-11-20") {
		t.Errorf("a date with the month first: %v", err)
	}
}

func TestErrorsSayWhatIsWrongAndWhatExists(t *testing.T) {
	list, now := fixture(t), at(t, "2026-11-20 10:30:00")
	inventory := "there are 5, the oldest of 2026-11-10T12:00:00+02:00, the newest of 2026-11-20T10:20:30+02:00"
	for expr, want := range map[string][]string{
		"2026-11-09":                  {"none at or before 2026-11-09T23:59:59+02:00", inventory},
		"1Y":                          {"none at or before 2025-11-20", inventory},
		"beef":                        {"no ID begins with these digits", inventory},
		"10d":                         {"no ID begins with these digits", "write 10D", inventory},
		"7b":                          {"write 7B"},
		"a1b2":                        {"ambiguous", "a1b2c3d4", inventory},
		"a1b2c3d4":                    {"ambiguous", "a1b2c3d4e500, a1b2c3d4f600"},
		"latest~5":                    {"does not go back as far", inventory},
		"6B":                          {"does not go back as far", inventory},
		"0B":                          {"1B is the newest"},
		"latest~99999999999999999999": {"too large"},
		"@99999999999999999999":       {"too large"},
		"99999999999999999999Y":       {"too long ago"},
		"9000000000000000000Y9000000000000000000s": {"too long ago"},
		"2026-02-30":                     {"no such date"},
		"2026-13-01T10:20":               {"no such time"},
		"2026-11-20T24:01":               {"no such time"},
		"11/20/2026":                     {"as in 2026-11-20"},
		"yesterday":                      {"not understood", "latest~2", "10D"},
		"":                               {"not understood"},
		"latest~":                        {"not understood"},
		"latest~-1":                      {"not understood"},
		"B":                              {"no ID begins"},
		"D":                              {"no ID begins"},
		"1D2":                            {"no ID begins"},
		"1h78":                           {"not understood"},
		" latest":                        {"not understood"},
		"2026-11-20Z":                    {"not understood"},
		"2026-11-20T10":                  {"not understood"},
		"2026-11-20T10:20.5":             {"not understood"},
		"2026-11-20T10:20:30.":           {"not understood"},
		"2026-11-20T10:20:30.0000000001": {"not understood"},
		"2026-11-20\x1b[31m":             {"not understood", `\x1b`},
		strings.Repeat("a", 33):          {"not understood"},
	} {
		got, err := Select(list, expr, now)
		if !errors.Is(err, varve.ErrNoSnapshot) {
			t.Errorf("%q: got %v, %v", expr, got, err)
			continue
		}
		for _, words := range append(want, `snapshot "`) {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%q: %q is not in: %v", expr, words, err)
			}
		}
	}
	if _, err := Select(nil, "latest", now); !errors.Is(err, varve.ErrNoSnapshot) || !strings.Contains(err.Error(), "no snapshots at all") {
		t.Errorf("without snapshots: %v", err)
	}
}

func TestTheFirstYearIsATimeLikeAnyOther(t *testing.T) {
	if got, err := Select(fixture(t), "0000-12-31", time.Unix(0, 0).UTC()); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestNowLeavesOutWhatIsDatedInTheFuture(t *testing.T) {
	list := append(fixture(t), snap(t, "ee", "s", 6, "2036-01-01 00:00:00"))
	if got, err := Select(list, "now", at(t, "2026-11-20 10:20:30")); err != nil || got.Seq != 5 {
		t.Errorf("got %d, %v", got.Seq, err)
	}
}

func TestLatestIsTheLastOfItsSeriesWhateverItsTime(t *testing.T) {
	list := []varve.Snapshot{snap(t, "aa", "s", 1, "2036-01-01 00:00:00"), snap(t, "bb", "s", 2, "2026-01-01 00:00:00")}
	if got, err := Select(list, "latest", at(t, "2026-02-01 00:00:00")); err != nil || got.Seq != 2 {
		t.Errorf("got %d, %v", got.Seq, err)
	}
}

func TestLatestOfSeveralSeriesIsTheOneOfTheLatestTime(t *testing.T) {
	list := []varve.Snapshot{
		snap(t, "01", "a", 1, "2026-01-01 00:00:00"), snap(t, "02", "a", 2, "2026-01-05 00:00:00"),
		snap(t, "03", "b", 7, "2026-01-02 00:00:00"), snap(t, "04", "b", 8, "2026-01-04 00:00:00"),
	}
	var order []byte
	for _, s := range Order(list) {
		order = append(order, s.ID[0])
	}
	if !slices.Equal(order, []byte{2, 4, 3, 1}) {
		t.Errorf("order %v", order)
	}
}

func TestOrderIsTotalAndKeepsTheSequenceOfEverySeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []varve.Snapshot
		for i := range rapid.IntRange(0, 30).Draw(t, "n") {
			s := varve.Snapshot{ID: varve.SnapshotID{byte(i)}, Seq: uint64(rapid.IntRange(1, 9).Draw(t, "seq"))}
			s.Series = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "series")
			s.Time = time.Unix(int64(rapid.IntRange(0, 9).Draw(t, "time")), 0)
			list = append(list, s)
		}
		ids := func(list []varve.Snapshot) (ids []varve.SnapshotID) {
			for _, s := range list {
				ids = append(ids, s.ID)
			}
			return ids
		}
		ordered := Order(list)
		if again := Order(rapid.Permutation(list).Draw(t, "shuffled")); !slices.Equal(ids(again), ids(ordered)) {
			t.Fatalf("the order depends on that of the input: %v, %v", ordered, again)
		}
		last := map[string]uint64{}
		for _, s := range ordered {
			if seq, ok := last[s.Series]; ok && s.Seq > seq {
				t.Fatalf("%d after %d in series %s", s.Seq, seq, s.Series)
			}
			last[s.Series] = s.Seq
		}
		if len(ordered) != len(list) {
			t.Fatalf("%d of %d", len(ordered), len(list))
		}
	})
}

func TestSplitFindsTheColonThatEndsTheSnapshot(t *testing.T) {
	for arg, want := range map[string][2]string{
		"latest":                             {"latest", ""},
		"latest:":                            {"latest", ""},
		"latest:/":                           {"latest", ""},
		"latest:/etc":                        {"latest", "etc"},
		"latest:etc/./nginx//sites/":         {"latest", "etc/nginx/sites"},
		"latest:.":                           {"latest", ""},
		"latest:a:b":                         {"latest", "a:b"},
		"latest:/now:/x":                     {"latest", "now:/x"},
		"latest:..a/b..":                     {"latest", "..a/b.."},
		"abc:def":                            {"abc", "def"},
		"10D:etc":                            {"10D", "etc"},
		"2026-11-20:/etc":                    {"2026-11-20", "etc"},
		"2026-11-20:10":                      {"2026-11-20", "10"},
		"2026-11-20T10:20":                   {"2026-11-20T10:20", ""},
		"2026-11-20 10:20":                   {"2026-11-20 10:20", ""},
		"2026-11-20 10:20:/a b":              {"2026-11-20 10:20", "a b"},
		"2026-11-20T10:20:30":                {"2026-11-20T10:20:30", ""},
		"2026-11-20T10:20:./30":              {"2026-11-20T10:20", "30"},
		"2026-11-20T10:20:30:/etc":           {"2026-11-20T10:20:30", "etc"},
		"2026-11-20T10:20:30+02:00:/etc/a:b": {"2026-11-20T10:20:30+02:00", "etc/a:b"},
		"2026-11-20T10:20Z:etc":              {"2026-11-20T10:20Z", "etc"},
		"2026-13-45T10:20:30:/etc":           {"2026-13-45T10:20:30", "etc"},
		"nonsense:/etc":                      {"nonsense", "etc"},
		"nonsense":                           {"nonsense", ""},
		":/etc":                              {"", "etc"},
		"":                                   {"", ""},
		"latest:a\xff\nb":                    {"latest", "a\xff\nb"},
	} {
		expr, path, err := Split(arg)
		if err != nil || expr != want[0] || path != want[1] {
			t.Errorf("%q: got %q, %q, %v", arg, expr, path, err)
		}
	}
}

func TestSplitRefusesPathsThatLeadUpwards(t *testing.T) {
	for _, arg := range []string{"latest:..", "latest:/../etc", "latest:a/../b", "nonsense:a/.."} {
		if expr, path, err := Split(arg); err == nil {
			t.Errorf("%q: got %q, %q", arg, expr, path)
		}
	}
}

func FuzzSelectAndSplit(f *testing.F) {
	for _, s := range []string{"latest~2", "3B", "10D", "1h78m", "@1763632800", "2026-11-20T10:20:30.5+02:00:/etc", "a1b2:x/..", "11-20-2026"} {
		f.Add(s)
	}
	list, now := fixture(f), at(f, "2026-11-20 10:30:00")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := Select(list, s, now); (err == nil) != (got.Seq != 0) || err != nil && !errors.Is(err, varve.ErrNoSnapshot) {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
		expr, path, err := Split(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(s, expr) || strings.HasPrefix(path, "/") || slices.Contains(strings.Split(path, "/"), "..") {
			t.Errorf("%q: got %q and %q", s, expr, path)
		}
	})
}

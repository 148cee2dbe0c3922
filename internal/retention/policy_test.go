package retention

import (
	"strings"
	"testing"
	"time"
)

func TestValidateRefusesRulesThatMakeNoSense(t *testing.T) {
	for name, p := range map[string]Policy{
		"keep last -2":               {Last: -2},
		"keep yearly -7":             {Yearly: -7},
		"keep days -1":               {Days: -1},
		"keep within -3d":            {Within: Duration{Days: -3}},
		"keep within daily 2000000y": {WithinDaily: Duration{Years: 2_000_000}},
		`keep tags []`:               {Tags: [][]string{{"a"}, {}}},
		`keep tags ["a" ""]`:         {Tags: [][]string{{"a", ""}}},
	} {
		err := p.Validate()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
		if _, planErr := Plan(nil, p, time.Now()); planErr == nil {
			t.Errorf("%s: planned nevertheless", name)
		}
	}
}

func TestValidateAcceptsUnlimitedAndOff(t *testing.T) {
	p := Policy{Last: Unlimited, Hourly: 0, Daily: 7, Within: Duration{Months: 1}, Tags: [][]string{{"a", "b"}}, Days: 30}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

func TestEveryRuleAloneMakesAPolicyNotEmpty(t *testing.T) {
	if !(Policy{}).Empty() {
		t.Error("the zero policy is not empty")
	}
	day := Duration{Days: 1}
	for i, p := range []Policy{
		{Last: 1}, {Hourly: 1}, {Daily: 1}, {Weekly: 1}, {Monthly: 1}, {Yearly: Unlimited}, {Days: 1}, {Tags: [][]string{{"a"}}},
		{Within: day}, {WithinHourly: day}, {WithinDaily: day}, {WithinWeekly: day}, {WithinMonthly: day}, {WithinYearly: day},
	} {
		if p.Empty() {
			t.Errorf("policy %d is empty", i)
		}
	}
}

func TestParseCountReadsNumbersAndUnlimited(t *testing.T) {
	for s, want := range map[string]int{"0": 0, "7": 7, "unlimited": Unlimited, "-1": Unlimited} {
		if got, err := ParseCount(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-2", "x", "1.5", "7d", "99999999999999999999"} {
		if got, err := ParseCount(s); err == nil {
			t.Errorf("%q: got %d", s, got)
		}
	}
}

func TestParseDurationReadsBothCases(t *testing.T) {
	for s, want := range map[string]Duration{
		"1y5m7d2h":   {Years: 1, Months: 5, Days: 7, Hours: 2},
		"10D":        {Days: 10},
		"3W":         {Weeks: 3},
		"2M":         {Months: 2},
		"1Y":         {Years: 1},
		"2h1y":       {Years: 1, Hours: 2},
		"0y5d":       {Days: 5},
		"007d":       {Days: 7},
		"1y2m3w4d5h": {1, 2, 3, 4, 5},
	} {
		got, err := ParseDuration(s)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v", s, got, err)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q is printed as %q, which reads as %+v, %v", s, got, again, err)
		}
	}
}

func TestParseDurationRefusesNonsense(t *testing.T) {
	for _, s := range []string{"", "d", "7", "7d3", "-7d", "+7d", "7 d", " 7d", "7d ", "1d1d", "1d1D", "90s", "7x", "7é", "0d", "0y0h",
		"1000001d", "99999999999999999999h", "unlimited", "1,5d", "٣d"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: got %+v", s, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1y5m7d2h", "10D", "7", "0d", "1d1d"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if d.validate() != nil || !d.Before(now).Before(now) {
			t.Errorf("%q: accepted as %+v", s, d)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q: printed as %q, read as %+v, %v", s, d, again, err)
		}
	})
}

func TestBeforeStaysInTheMonthThatIsTooShort(t *testing.T) {
	at := time.Date(2026, 3, 31, 10, 30, 0, 5, time.UTC)
	for s, want := range map[string]time.Time{
		"1m":   time.Date(2026, 2, 28, 10, 30, 0, 5, time.UTC),
		"1m1d": time.Date(2026, 2, 27, 10, 30, 0, 5, time.UTC),
		"13m":  time.Date(2025, 2, 28, 10, 30, 0, 5, time.UTC),
		"25m":  time.Date(2024, 2, 29, 10, 30, 0, 5, time.UTC),
		"3m":   time.Date(2025, 12, 31, 10, 30, 0, 5, time.UTC),
		"1y":   time.Date(2025, 3, 31, 10, 30, 0, 5, time.UTC),
		"2w":   time.Date(2026, 3, 17, 10, 30, 0, 5, time.UTC),
		"11h":  time.Date(2026, 3, 30, 23, 30, 0, 5, time.UTC),
	} {
		d, err := ParseDuration(s)
		if got := d.Before(at); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %s, %v", s, got, err)
		}
	}
}

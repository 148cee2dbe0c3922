package adopt_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve/internal/adopt"
	"varve/internal/retention"
)

// files are files by their names, for ParseConfig.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

const plain = "config_version\t1.2\nsnapshot_root\t/backup/snapshots/\nretain\talpha\t6\nretain\tbeta\t7\nretain\tgamma\t4\n" +
	"backup\t/etc/\tlocalhost/\nbackup\t/home/\tlocalhost/\n"

func TestAConfigurationOfRsnapshotIsRead(t *testing.T) {
	c, err := adopt.ParseConfig("main", files{
		"main": "# comment\n\n   \t\nconfig_version\t1.2\nsnapshot_root\t\t/backup/snapshots/\ncmd_rsync\t/usr/bin/rsync\r\n" +
			"include_conf\tmore\ninclude_conf\t`date > /etc/passwd`\nlockfile\t/run/rsnapshot.pid\nsync_first\t1\n" +
			"backup\troot@web:/etc/\n  web/\n\t+rsync_long_args=--bwlimit=9,one_fs=1\n# end\nbackup_script\t/bin/dump --all\tweb/db/\n",
		"more": "interval\thourly\t6\nretain\tdaily\t7",
	}.read)
	must(t, err)
	if c.Root != "/backup/snapshots" || !c.SyncFirst || c.LockFile != "/run/rsnapshot.pid" {
		t.Errorf("%+v", c)
	}
	if want := []adopt.Level{{Name: "hourly", Count: 6}, {Name: "daily", Count: 7}}; !slices.Equal(c.Levels, want) {
		t.Errorf("levels %v, want %v", c.Levels, want)
	}
	if want := []adopt.Point{{Source: "root@web:/etc/", Dest: "web", Options: "+rsync_long_args=--bwlimit=9,one_fs=1"},
		{Source: "/bin/dump --all", Script: true, Dest: "web/db"}}; !slices.Equal(c.Points, want) {
		t.Errorf("points %v, want %v", c.Points, want)
	}
	if len(c.LeftOut) != 1 || !strings.HasPrefix(c.LeftOut[0], "main:8: ") {
		t.Errorf("left out %q", c.LeftOut)
	}
	if s := c.Style(); s.Series != "web" || !slices.Equal(s.Levels, []string{"hourly", "daily"}) {
		t.Errorf("style %+v", s)
	}
}

func TestConfigurationsThatRsnapshotRefusesAreRefused(t *testing.T) {
	for what, text := range map[string]string{
		":3: words must be separated by tabs": strings.Replace(plain, "retain\talpha\t6", "retain alpha 6", 1),
		":3: a third word":                    strings.Replace(plain, "\t6", "", 1),
		":3: not a number from 1":             strings.Replace(plain, "\t6", "\t0", 1),
		":3: not the name of a level":         strings.Replace(plain, "alpha", "al/pha", 1),
		":4: this level is there twice":       strings.Replace(plain, "beta", "alpha", 1),
		":2: not an absolute path":            strings.Replace(plain, "/backup/", "backup/", 1),
		":6: a third word":                    strings.Replace(plain, "\tlocalhost/", "", 1),
		":1: a second word":                   strings.Replace(plain, "\t1.2", "", 1),
		"no snapshot_root":                    "retain\ta\t1\n",
		"nothing to retain":                   "snapshot_root\t/x\n",
		"more than":                           plain + "include_conf\tmain\n",
		"file does not exist":                 plain + "include_conf\tnone\n",
	} {
		_, err := adopt.ParseConfig("main", files{"main": text}.read)
		if err == nil {
			t.Errorf("%s: it is taken", what)
			continue
		}
		line, why, _ := strings.Cut(strings.TrimPrefix(what, ":"), ": ")
		if !strings.Contains(err.Error(), why) || strings.HasPrefix(what, ":") && !strings.Contains(err.Error(), "main:"+line+":") {
			t.Errorf("%v, want %s", err, what)
		}
	}
	if _, err := adopt.ParseConfig("none", files{}.read); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}

func TestRotationBecomesAPolicyByTime(t *testing.T) {
	for levels, want := range map[string]retention.Policy{
		"alpha 6,beta 7,gamma 4":                     {Last: 6, Daily: 7, Weekly: 4},
		"alpha 6,beta 7,gamma 4,delta 12,epsilon 3":  {Last: 6, Daily: 7, Weekly: 4, Monthly: 12, Yearly: 3},
		"hourly 6,daily 7,weekly 4,monthly 3":        {Hourly: 6, Daily: 7, Weekly: 4, Monthly: 3},
		"daily 7,weekly 4":                           {Daily: 7, Weekly: 4},
		"Daily 7,gamma 4,yearly 2":                   {Daily: 7, Weekly: 4, Yearly: 2},
		"a 6,daily 7,c 4":                            {Last: 6, Daily: 7, Weekly: 4},
		"a 1,b 2,daily 3":                            {Last: 1, Daily: 3},
		"monthly 5,daily 3,x 9":                      {Monthly: 5, Daily: 3, Yearly: 9},
		"alpha 1,beta 2,gamma 3,delta 4,e 5,f 6,g 7": {Last: 1, Daily: 2, Weekly: 3, Monthly: 4, Yearly: 5},
	} {
		c := adopt.Config{}
		for level := range strings.SplitSeq(levels, ",") {
			name, count, _ := strings.Cut(level, " ")
			c.Levels = append(c.Levels, adopt.Level{Name: name, Count: int(count[0] - '0')})
			if count == "12" {
				c.Levels[len(c.Levels)-1].Count = 12
			}
		}
		got, left := c.Policy()
		if got.Last != want.Last || got.Hourly != want.Hourly || got.Daily != want.Daily || got.Weekly != want.Weekly ||
			got.Monthly != want.Monthly || got.Yearly != want.Yearly {
			t.Errorf("%s: %+v, want %+v", levels, got, want)
		}
		if n := max(len(c.Levels)-5, 0); len(left) != n {
			t.Errorf("%s: left %v", levels, left)
		}
		must(t, got.Validate())
	}
}

func FuzzParseConfigTakesOnlyWhatItCanUse(f *testing.F) {
	f.Add(plain)
	f.Add("snapshot_root\t/\nretain\ta\t1\ninclude_conf\tmain\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := adopt.ParseConfig("main", files{"main": text}.read)
		if err != nil {
			return
		}
		if c.Root[0] != '/' || len(c.Levels) == 0 {
			t.Errorf("%+v", c)
		}
		if p, _ := c.Policy(); p.Validate() != nil || p.Empty() {
			t.Errorf("policy %+v", p)
		}
		if _, err := adopt.Find(place(t, "a.0"), c.Style()); err != nil {
			t.Error(err)
		}
	})
}

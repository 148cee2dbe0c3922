package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/internal/sshtest"
)

func TestEveryExampleIsAGoodConfiguration(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.toml")
	if err != nil || len(files) != 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		out, errs := call(t, exitGood, "config", "check", "--config", file)
		for line := range strings.Lines(out + errs) {
			if !strings.Contains(line, ": there is no ") { // a file or user of the machines that they are for
				t.Errorf("%s: %s", file, line)
			}
		}
	}
}

func TestExample_PullOverSFTP_ReadsMachinesThatHaveNothingOfOurs(t *testing.T) {
	const file = "pull-over-sftp.toml"
	o := start(t, sshtest.Options{User: "rdbadmin"})
	home := o.there("home")
	o.plant(filepath.Join(home, "ann"))
	o.fill(filepath.Join(home, "ben"), 10, 1000)
	o.give(home)
	key := o.newKey(forcedIn(t, exampleText(t, file)))
	s := o.with(key).setUp(exampleText(t, file, "203.0.113.10:/home", "203.0.113.10:"+home, "10D:/home", "10D:"+home, "/tmp/home", o.at("tenth"),
		"/home/rdbadmin/backups", o.at("backups"), "ssh -i ~/.ssh/rdbadmin", strings.Join(key, " ")))
	store := []string{"-s", o.at("backups")}

	s.told("varve init")
	if out := s.told("varve doctor"); strings.Contains(out, "wrong ") {
		t.Errorf("doctor says:\n%s", out)
	}
	first := takeCensus(t, home)
	s.night(1)
	o.spoil(filepath.Join(home, "ann"))
	o.give(home)
	second := takeCensus(t, home)
	s.night(2)
	s.has(store, "laptop", "latest~1", home, first, plainly)
	s.has(store, "laptop", "latest", home, second, plainly)
	o.equal(latest(o.at("backups"), "laptop", home), home, plainly)

	s.night(12)
	s.night(40)
	s.told("varve run") // of a day the newest is kept
	s.kept(store, "laptop", 1, 2, 12, 40)
	s.day(12)
	s.told("varve restore")
	if d := plainly(takeCensus(t, o.at("tenth"))).differences(plainly(second)); d != "" {
		t.Errorf("ten days ago:\n%s", d)
	}
}

func TestExample_HactarToStorageBox_KeepsServersAndDumpsForThirtyDays(t *testing.T) {
	const file = "hactar-to-storage-box.toml"
	o := start(t, sshtest.Options{User: "u01234", Chroot: true})
	web := &over{T: t, Server: server(t, sshtest.Options{}), work: o.work}
	box, reader := strings.Join(o.Command(), " "), strings.Join(web.newKey(forcedIn(t, exampleText(t, file))), " ")
	s := o.setUp(exampleText(t, file, `["/"]`, `["`+o.at("root")+`"]`, "webserver:/var/www", "webserver:"+web.Home+"/www",
		"ssh -p 23 -i /etc/varve/box_key", box, "ssh -i /etc/varve/web_key", reader,
		"/etc/varve/box.pass", o.at("box.pass"), "/root/box.sheet", o.at("box.sheet"), "10D:/etc", "10D:"+o.at("root/etc"), "/tmp/etc", o.at("tenth")))
	s.told("(umask 077; head")
	store := []string{"-s", "u01234@u01234.your-storagebox.de:varve", "--passphrase-file", o.at("box.pass")}
	s.told("varve init")

	root, www, db := o.at("root"), web.there("www"), o.at("app.db")
	script(t, s.bin, "mysqldump", "[ \"$*\" = '--all-databases --single-transaction' ] && exec sqlite3 "+db+" .dump")
	o.plant(filepath.Join(root, "etc"))
	o.plant(filepath.Join(root, "var/lib/app"))
	for _, dir := range []string{"proc/1", "var/cache/apt", "var/lib/mysql", "tmp"} {
		o.plant(filepath.Join(root, dir))
	}
	web.plant(www)
	o.database(db, "first")
	saved := func() census { return takeCensus(t, root).without("proc", "var/cache", "var/lib/mysql", "tmp") }
	first, firstWWW := saved(), takeCensus(t, www)
	s.night(1)
	o.spoil(filepath.Join(root, "etc"))
	web.spoil(www)
	o.database(db, "second")
	second, secondWWW := saved(), takeCensus(t, www)
	s.night(2)

	s.has(store, "web1:localhost", "latest~1", root, first, whole)
	s.has(store, "web1:localhost", "latest", root, second, whole)
	s.has(store, "webserver:webserver", "latest~1", web.Home+"/www", firstWWW, plainly)
	s.has(store, "webserver:webserver", "latest", web.Home+"/www", secondWWW, plainly)
	s.loads(store, "testhost:databases", "latest~1", "/dumps/mysql.sql", "first")
	s.loads(store, "testhost:databases", "latest", "/dumps/mysql.sql", "first", "second")

	s.night(35) // so long a pause may be a clock that was set
	for _, series := range []string{"web1:localhost", "webserver:webserver", "testhost:databases"} {
		s.kept(store, series, 1, 2, 35)
	}
	s.night(43)
	for _, series := range []string{"web1:localhost", "webserver:webserver", "testhost:databases"} {
		s.kept(store, series, 2, 35, 43) // what was there on the first of the thirty days stays
	}
	s.told("varve restore")
	o.equal(o.at("tenth"), filepath.Join(root, "etc"), whole)
}

func TestExample_RouterWithHooks_TellsWhoSitsThereAndNeedsItsDisk(t *testing.T) {
	if can, err := canMount(); err != nil || !can {
		t.Skip("file systems cannot be mounted here", err)
	}
	there := sshtest.Dir(t, -1) // what comes first in PATH on the other machine
	o := start(t, sshtest.Options{Config: []string{"SetEnv PATH=" + there + ":/usr/bin:/bin SHLVL=5"}})
	o.must(os.Mkdir(o.at("sda1"), 0o755))
	o.must(syscall.Mount("tmpfs", o.at("sda1"), "tmpfs", 0, "size=32m"))
	t.Cleanup(func() { _ = syscall.Unmount(o.at("sda1"), 0) })
	root, db := o.there("root"), o.there("root/home/ben/books.db")
	s := o.setUp(exampleText(t, "router-with-hooks.toml", "/mnt/sda1", o.at("sda1"), `192.168.1.10:/"`, `192.168.1.10:`+root+`"`,
		"/home/ben/books.db", db, "ssh -i /ssh_data/id_rsa -o UserKnownHostsFile=/ssh_data/known_hosts", strings.Join(o.Command(), " ")))
	store := []string{"-s", o.at("sda1/backups")}
	script(t, there, "sudo", `echo "$*" >>`+o.there("said"))

	o.plant(filepath.Join(root, "etc"))
	o.plant(filepath.Join(root, "proc"))
	o.plant(filepath.Join(root, "home/ben/.gvfs"))
	o.database(db, "first")
	saved := func() census { return takeCensus(t, root).without("proc/", "home/ben/.gvfs") }
	s.told("varve init")
	first := saved()
	s.night(1)
	o.spoil(filepath.Join(root, "etc"))
	o.database(db, "second")
	second := saved()
	s.night(2)
	s.has(store, "univac", "latest~1", root, first, plainly)
	s.has(store, "univac", "latest", root, second, plainly)
	s.loads(store, "univac", "latest~1", "/dumps/books.sql", "first")
	s.loads(store, "univac", "latest", "/dumps/books.sql", "first", "second")
	if names, err := filepath.Glob(o.at("sda1/backups/univac/2026-11-0?")); err != nil || len(names) != 2 {
		t.Errorf("the names are %q, %v", names, err)
	}

	o.must(os.Rename(db, db+".away")) // the dump fails, and so does all
	s.day(3)
	if r := s.bare(s.cron()); r.code != exitFailed || !strings.Contains(r.errs, "unable to open database") {
		t.Errorf("without the database: %+v", r)
	}
	o.must(os.Rename(db+".away", db))
	s.night(35)
	s.kept(store, "univac", 1, 2, 35) // so long a pause may be a clock that was set
	s.night(43)
	s.kept(store, "univac", 2, 35, 43)

	begun, done, failed := "Backing up system to router...", "Backups done", "The backup failed"
	want := ""
	for _, text := range []string{begun, done, begun, done, begun, failed, begun, done, begun, done} {
		want += "-u ben DISPLAY=:0.0 notify-send " + text + "\n"
	}
	if said, err := os.ReadFile(o.there("said")); err != nil || string(said) != want {
		t.Errorf("who sits there was told %q, %v", said, err)
	}
	s.day(44)
	o.must(syscall.Unmount(o.at("sda1"), 0))
	if r := s.bare("varve run univac"); r.code != exitNotRun || !strings.Contains(r.errs, "nothing is mounted there") {
		t.Errorf("without the disk: %+v", r)
	}
	if names, err := os.ReadDir(o.at("sda1")); err != nil || len(names) > 0 {
		t.Errorf("where the disk should be there is %v, %v", names, err)
	}
}

func TestExample_PushAndRotate_LetsTheServerAloneRemove(t *testing.T) {
	const file = "push-and-rotate.toml"
	there := sshtest.Dir(t, -1)
	o := start(t, sshtest.Options{User: "backup", Config: []string{"SetEnv PATH=" + there + ":/usr/bin:/bin SHLVL=5"}})
	places := []string{"/backup/laptop", o.there("laptop"), `["/home"]`, `["` + o.at("home") + `"]`}
	key := o.newKey(forcedIn(t, exampleText(t, file, places...)))
	s := o.with(key).setUp(exampleText(t, file, append(places, "ssh -i /etc/varve/push_key", strings.Join(key, " "))...))
	s.everybodys(there)
	store := []string{"-s", o.there("laptop")}
	s.told("varve init")
	o.give(o.there("laptop"))

	home := o.at("home")
	o.plant(home)
	o.plant(filepath.Join(home, ".cache"))
	saved := func() census { return takeCensus(t, home).without(".cache") }
	first := saved()
	s.night(1)
	o.spoil(home)
	second := saved()
	s.night(2)
	s.has(store, "laptop", "latest~1", home, first, whole)
	s.has(store, "laptop", "latest", home, second, whole)
	for day := 3; day < 12; day++ {
		s.night(day)
	}
	s.told("varve forget") // as the server's cron does
	s.kept(store, "laptop", 1, 5, 6, 7, 8, 9, 10, 11)
	s.told("varve verify")
}

func TestExample_SealedStorageBox_AddsUnattendedAndCannotRead(t *testing.T) {
	o := start(t, sshtest.Options{User: "u01234", Chroot: true, MaxConns: 10})
	const place = "u01234@u01234.your-storagebox.de:sealed"
	ssh := strings.Join(o.Command(), " ")
	etc, home, srv := o.at("etc"), o.at("home"), o.at("srv")
	s := o.setUp(exampleText(t, "sealed-storage-box.toml", `"/etc", "/home", "/srv"`, fmt.Sprintf("%q, %q, %q", etc, home, srv),
		"ssh -p 23 -i /etc/varve/box_key", ssh, "ssh -p 23 -i ~/.ssh/box", ssh,
		"/etc/varve/web1.key", o.at("web1.key"), "/etc/varve/ping.url", o.at("ping.url"), `user = "postgres"`, `user = "nobody"`))
	url, counts := pings(t)
	o.must(os.WriteFile(o.at("ping.url"), []byte(url+"/web1\n"), 0o600))
	o.must(os.WriteFile(o.at("box.pass"), []byte("correct horse\n"), 0o600))
	s.told("varve init")
	s.told("varve key add")
	o.must(os.Rename(o.at("box.pass"), o.at("elsewhere"))) // the server has never had it

	db := filepath.Join(sshtest.Dir(t, sshtest.Ordinary), "app.db")
	script(t, s.bin, "pg_dumpall", "exec sqlite3 "+db+" .dump")
	o.plant(filepath.Join(etc, "sub"))
	o.plant(filepath.Join(home, "ann"))
	o.give(home)
	o.plant(srv)
	o.database(db, "first")
	dirs := []string{etc, home, srv}
	saved := func() (all []census) {
		for _, dir := range dirs {
			all = append(all, takeCensus(t, dir))
		}
		return all
	}
	first := saved()
	s.night(1)
	o.spoil(filepath.Join(home, "ann"))
	o.database(db, "second")
	second := saved()
	s.night(2)
	s.night(9) // a week on, when other stores would be checked
	if got := counts(); got["/web1"] != 3 || got["/web1/start"] != 3 || len(got) != 2 {
		t.Errorf("the pings were %v", got)
	}
	for _, args := range [][]string{{"snapshots"}, {"restore", "latest", "-t", "out"}, {"forget", "--keep-last", "1"}} {
		s.call(exitWrongKey, append(args, "-s", place, "--key", o.at("web1.key"))...)
	}

	o.must(os.Rename(o.at("elsewhere"), o.at("box.pass")))
	store := []string{"-s", place, "--passphrase-file", o.at("box.pass")}
	for i, dir := range dirs {
		s.has(store, "web1", "latest~2", dir, first[i], whole)
		s.has(store, "web1", "latest~1", dir, second[i], whole)
	}
	s.loads(store, "web1", "latest~2", "/dumps/postgresql.sql", "first")
	s.loads(store, "web1", "latest~1", "/dumps/postgresql.sql", "first", "second")
	s.told("varve run")
	s.told("varve forget") // of a day the newest is kept
	s.kept(store, "web1", 1, 2, 9)
	s.told("varve prune")
	s.told("varve verify")
}

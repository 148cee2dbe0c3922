package units

import (
	"path"
	"slices"
	"strings"
)

// restrict takes from a service what it does not need.
func (u *Unit) restrict(f *file) {
	f.set("UMask", "0077")
	u.remember(f)
	if u.User && u.Commands { // what a user's systemd takes away it does by forbidding set-ID programs, such as those that send mail
		return
	}
	f.set("NoNewPrivileges", "yes")
	f.set("LockPersonality", "yes")
	f.set("RestrictRealtime", "yes")
	f.set("SystemCallArchitectures", "native")
	if u.User {
		return
	}
	u.restrictFiles(f)
	u.restrictDevices(f)
	f.set("ProtectKernelModules", "yes")
	f.set("ProtectKernelTunables", "yes")
	f.set("ProtectKernelLogs", "yes")
	f.set("ProtectControlGroups", "yes")
	f.set("ProtectHostname", "yes")
	f.set("RestrictNamespaces", "yes")
	f.set("RestrictAddressFamilies", u.families())
	f.set("CapabilityBoundingSet", strings.Join(u.capabilities(), " "))
	calls := "@system-service"
	if u.Devices || u.Commands {
		calls += " @mount"
	}
	f.set("SystemCallFilter", calls)
	f.set("SystemCallErrorNumber", "EPERM")
	if !u.Commands && !u.Devices {
		f.set("MemoryDenyWriteExecute", "yes")
		f.set("ProtectProc", "invisible")
		f.set("KeyringMode", "private")
	}
	if !u.Tree && !u.Commands { // a tree has the set-ID bits of what is saved
		f.set("RestrictSUIDSGID", "yes")
	}
}

// remember says where the service keeps what it remembers: where varve looks for it that somebody runs by hand.
func (u *Unit) remember(f *file) {
	state, cache := u.State, u.Cache
	if !u.User {
		f.set("Environment", "HOME=/root")
		if state == "" || state == "/var/lib/varve" {
			state = "/var/lib/varve"
			f.set("StateDirectory", "varve")
			f.set("StateDirectoryMode", "0700")
		}
		if cache == "" || cache == "/var/cache/varve" {
			cache = "/var/cache/varve"
			f.set("CacheDirectory", "varve")
			f.set("CacheDirectoryMode", "0700")
		}
	}
	if state != "" {
		f.set("Environment", quoted("VARVE_STATE_DIR="+state))
	}
	if cache != "" {
		f.set("Environment", quoted("VARVE_CACHE_DIR="+cache))
	}
}

// restrictFiles says where the service may write. It must see all that it saves: nothing is hidden from it but what nobody asked for.
func (u *Unit) restrictFiles(f *file) {
	paths := u.writable()
	switch {
	case !u.Commands && !u.Freeze && !slices.Contains(paths, "/"):
		f.set("ProtectSystem", "strict")
	case !slices.ContainsFunc(u.Mounted, isProtected):
		f.set("ProtectSystem", "full")
	}
	var list []string
	for _, p := range paths {
		if p != "/" {
			list = append(list, quoted("-"+p))
		}
	}
	if len(list) > 0 {
		f.set("ReadWritePaths", strings.Join(list, " "))
	}
	if u.ownTemp() {
		f.set("PrivateTmp", "yes")
	}
}

// writable returns where the service may write. Each of these becomes a mount point, so that what must be one by itself is left to the
// directory above, which is where it is mounted.
func (u *Unit) writable() []string {
	paths := slices.Concat(u.Writable, u.kept())
	if u.Far { // ssh remembers there whom it knows
		paths = append(paths, "/root/.ssh")
	}
	if !u.ownTemp() && !u.Commands { // where files are restored to in a drill
		paths = append(paths, "/tmp", "/var/tmp")
	}
	if u.Devices || u.Commands { // LVM keeps copies there of what it changes
		paths = append(paths, "/etc/lvm")
	}
	for i, p := range paths {
		for slices.Contains(u.Mounted, path.Clean(p)) && p != "/" {
			p = path.Dir(path.Clean(p))
		}
		paths[i] = p
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// isProtected reports whether systemd makes a mount point of a directory to keep it from being written.
func isProtected(dir string) bool {
	return slices.Contains([]string{"/usr", "/boot", "/efi", "/etc"}, path.Clean(dir))
}

// ownTemp reports whether the service has directories for temporary files of its own: not where a path lies in one that these would
// hide, or has one in it.
func (u *Unit) ownTemp() bool {
	return !u.Commands && !slices.ContainsFunc(slices.Concat(u.Sources, u.Writable, u.Mounted, u.kept()), func(p string) bool {
		return within(p, "/tmp") || within("/tmp", p) || within(p, "/var/tmp") || within("/var/tmp", p)
	})
}

func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// restrictDevices keeps the service from devices. What lies in /dev must be seen, and a tree gets devices of its own.
func (u *Unit) restrictDevices(f *file) {
	if u.Devices || u.Commands {
		return
	}
	f.set("ProtectClock", "yes") // it allows the clock's device alone; who may not set the clock without it is said by capabilities
	f.set("DevicePolicy", "closed")
	if u.Tree {
		f.set("DeviceAllow", "char-* m")
		f.set("DeviceAllow", "block-* m")
	}
}

func (u *Unit) families() string {
	switch {
	case u.Far || u.Network || u.Commands:
		return "AF_UNIX AF_INET AF_INET6 AF_NETLINK"
	case u.Devices:
		return "AF_UNIX AF_NETLINK"
	}
	return "AF_UNIX"
}

// capabilities are what the service needs of being root: to read everything, and to do what it is asked to beyond that.
func (u *Unit) capabilities() []string {
	list := []string{"CAP_DAC_READ_SEARCH", "CAP_FOWNER"} // the second one reads without changing access times
	if len(u.Writable) > 0 || u.Commands || u.Freeze {    // where others own the directory
		list = append(list, "CAP_DAC_OVERRIDE")
	}
	if u.Tree {
		list = append(list, "CAP_CHOWN", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP", "CAP_LINUX_IMMUTABLE")
	}
	if u.Commands {
		list = append(list, "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
	}
	if u.Freeze || u.Devices || u.Commands { // which mount what they need
		list = append(list, "CAP_SYS_ADMIN")
	}
	if u.Devices {
		list = append(list, "CAP_MKNOD", "CAP_IPC_LOCK")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

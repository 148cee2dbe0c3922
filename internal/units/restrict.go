package units

import (
	"slices"
	"strings"
)

// restrict takes from a service what it does not need.
func (u *Unit) restrict(f *file) {
	f.set("NoNewPrivileges", "yes")
	f.set("LockPersonality", "yes")
	f.set("RestrictRealtime", "yes")
	f.set("SystemCallArchitectures", "native")
	f.set("UMask", "0077")
	if u.User {
		return
	}
	f.set("Environment", "HOME=/root")
	f.set("StateDirectory", "varve")
	f.set("StateDirectoryMode", "0700")
	f.set("CacheDirectory", "varve")
	f.set("CacheDirectoryMode", "0700")
	u.restrictFiles(f)
	u.restrictDevices(f)
	f.set("ProtectKernelModules", "yes")
	f.set("ProtectKernelTunables", "yes")
	f.set("ProtectKernelLogs", "yes")
	f.set("ProtectControlGroups", "yes")
	f.set("ProtectClock", "yes")
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

// restrictFiles says where the service may write. It must see all that it saves: nothing is hidden from it but what nobody asked for.
func (u *Unit) restrictFiles(f *file) {
	if u.Commands || u.Freeze {
		f.set("ProtectSystem", "full")
	} else {
		f.set("ProtectSystem", "strict")
	}
	var paths []string
	for _, p := range u.Writable {
		paths = append(paths, quoted("-"+p))
	}
	if u.Far { // ssh remembers there whom it knows
		paths = append(paths, quoted("-/root/.ssh"))
	}
	if len(paths) > 0 {
		f.set("ReadWritePaths", strings.Join(paths, " "))
	}
	if !u.Commands && !u.touchesTemp() {
		f.set("PrivateTmp", "yes")
	}
}

// touchesTemp reports whether one of the paths lies in a directory that a private one would hide, or has one in it.
func (u *Unit) touchesTemp() bool {
	return slices.ContainsFunc(append(append([]string{}, u.Sources...), u.Writable...), func(p string) bool {
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
	f.set("DevicePolicy", "closed")
	if u.Tree {
		f.set("DeviceAllow", "char-* m")
		f.set("DeviceAllow", "block-* m")
	}
}

func (u *Unit) families() string {
	if u.Far || u.Network || u.Commands {
		return "AF_UNIX AF_INET AF_INET6 AF_NETLINK"
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
	if u.Freeze || u.Devices {
		list = append(list, "CAP_SYS_ADMIN")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

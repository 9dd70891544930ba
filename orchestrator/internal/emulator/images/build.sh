#!/bin/sh
# Build the root file system that the emulator's containers start from.
#
#   build.sh ARCH OUT.tar        ARCH is Debian's word: arm64 or amd64
#
# A small Debian 12 with a shell, the usual tools, GNU tar and an OpenSSH
# server. No maintainer script runs (mmdebstrap --variant=extract), so a foreign
# ARCH needs no emulator to build; what those scripts would have made (passwd,
# the sshd user, its configuration) is made below. Packages come from this
# machine's own apt sources, Debian's entries only. Needs mmdebstrap; root is not
# needed where unprivileged user namespaces are allowed.
set -eu

if [ $# -ne 2 ]; then
	echo "usage: build.sh ARCH OUT.tar" >&2
	exit 2
fi
arch=$1
out=$2
suite=bookworm

command -v mmdebstrap >/dev/null || {
	echo "build.sh: mmdebstrap is missing; run: apt-get install mmdebstrap" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
chmod 755 "$work" # mmdebstrap may read it as another user

# Apt says itself what it fetches package lists from, however its files are laid
# out. Only Debian's own entries for this release: third-party ones have their own
# keys and seldom this architecture.
apt-get indextargets --format '$(ORIGIN) $(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	sed -nE "s/^Debian $suite(-updates|-security)? (deb .*)/\\2/p" | sort -u >"$work/debian.list"
if [ ! -s "$work/debian.list" ]; then
	echo "build.sh: apt knows no source for Debian $suite; if it should, run: apt-get update" >&2
	exit 1
fi

cat >"$work/finish" <<'EOF'
#!/bin/sh
# $1 is the root file system.
set -eu
cd "$1"
# Perl comes in through debconf; nothing here runs it. Neither documentation
# nor translations nor kernel-side files are of use in a container.
rm -rf usr/share/doc usr/share/doc-base usr/share/man usr/share/info usr/share/locale usr/share/lintian \
	usr/share/perl* usr/share/common-licenses usr/share/bug usr/share/bash-completion usr/share/zsh \
	usr/lib/*-linux-gnu/perl* usr/lib/*-linux-gnu/libperl* usr/bin/perl* usr/share/debconf usr/lib/udev \
	usr/lib/systemd usr/lib/*-linux-gnu/gconv usr/lib/locale usr/share/i18n var/cache/* var/lib/apt var/lib/dpkg/info \
	etc/ssh/moduli usr/lib/*-linux-gnu/libdb-5*
mkdir -p proc sys tmp run/sshd root/.ssh home var/tmp etc/ssh
chmod 1777 tmp var/tmp
chmod 700 root root/.ssh
chmod 755 run/sshd

cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
echo 'sshd:*:100:65534::/run/sshd:/usr/sbin/nologin' >>etc/passwd
echo chexp-device >etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' >etc/nsswitch.conf
: >etc/resolv.conf

# As in Chameleon's edge_ssh_image: root may log in, by key only, and the
# file of keys is there and empty. UsePAM needs files that only maintainer scripts
# make. The host key is made when the image is first used, not here: a private key
# has no place in a build output.
: >root/.ssh/authorized_keys
chmod 600 root/.ssh/authorized_keys
cat >etc/ssh/sshd_config <<'CONFIG'
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
CONFIG
EOF
chmod 755 "$work/finish"

mkdir -p "$(dirname "$out")"
# With this variant mmdebstrap runs setup and extract hooks, no later ones.
mmdebstrap --quiet --variant=extract --skip=output/dev --skip=cleanup/run --architectures="$arch" \
	--include=base-files,base-passwd,bash,dash,coreutils,util-linux,tar,gzip,sed,grep,findutils,procps,openssh-server \
	--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--extract-hook="$work/finish" \
	"$suite" "$work/root.tar" "$work/debian.list" >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	echo "build.sh: mmdebstrap could not build the $arch image" >&2
	exit 1
}
mv "$work/root.tar" "$out.part"
mv "$out.part" "$out"

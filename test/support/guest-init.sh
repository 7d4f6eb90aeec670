#!/bin/sh
# PID 1 of the guest kernel (see guest.ts). The machine's files are its own, read-only; what is written goes to memory and ends with it.
# The kernel hands over what its command line says: GUEST_ROOT the checkout, GUEST_NODE the program, GUEST_FILE the test file.
# Standard output is the TAP of the test file and nothing else; standard error the console.
export PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/tmp /run/bin /run/modules/lib

# The kernel's modules are not where modprobe looks, and nothing can be written there.
ln -s /usr/lib/uml/modules /run/modules/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe --dirname /run/modules "$@"\n' >/run/bin/modprobe
chmod +x /run/bin/modprobe
echo /run/bin/modprobe >/proc/sys/kernel/modprobe

ip link set lo up
stty -F /dev/ttyS0 raw
cd "$GUEST_ROOT" && "$GUEST_NODE" --import=tsx "$GUEST_FILE" </dev/null >/dev/ttyS0

echo 0 >/proc/sys/kernel/printk
busybox poweroff -f

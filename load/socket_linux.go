package load

import "golang.org/x/sys/unix"

// prepareSocket sets the options of a socket before it is bound. Bound says that it will have a source
// address: the kernel is then to choose the port when the destination is known, so that each
// pair of source and destination has all ports.
func prepareSocket(fd uintptr, bound, slow bool) error {
	if bound {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
	}
	if slow {
		return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, slowBuffer)
	}
	return nil
}

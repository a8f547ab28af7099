import ClusterModel
import Glibc

/// What a process must set right before anything else, wherever it was started from (cron, a closed terminal, a pipe).
enum ProcessSetup {
    /// Opens descriptors 0 to 2 on /dev/null when they are closed (else a journal could become descriptor 2), ignores
    /// SIGPIPE (a reader that went away must not end a run), and makes new files private.
    static func prepare() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) == -1 {
            _ = unsafe open("/dev/null", descriptor == 0 ? O_RDONLY : O_WRONLY)
        }
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
    }
}

/// Ends the process at once with a documented code.
func exitNow(_ code: ExitCode) -> Never { exit(code.rawValue) }

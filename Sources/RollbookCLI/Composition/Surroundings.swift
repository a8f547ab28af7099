import ClusterModel
import FoundationEssentials
import Glibc
import Journal

/// What the process has around it: environment, clock, terminal, identity.
///
/// Nothing below the command line reads these.
struct Surroundings: Sendable {
    let environment: [String: String]
    let home: String
    let user: String
    let userID: UInt32
    let workingDirectory: String
    let hostname: String
    let boot: String
    let pid: Int
    let time: any TimeSource
    let answersToTerminal: Bool
    /// Whether standard error, where progress is told, is a terminal.
    let tellsOnTerminal: Bool
    let asksOnTerminal: Bool

    static func current() throws -> Surroundings {
        let environment = ProcessInfo.processInfo.environment
        let id = getuid()
        let account = account(id)
        guard let process = ProcessIdentity.current else {
            throw OperatorMessage(.fault, at: "/proc", "cannot read the boot id and this process's start")
        }
        return Surroundings(
            environment: environment,
            home: account.home ?? environment["HOME"] ?? "/",
            user: account.name ?? String(id),
            userID: id,
            workingDirectory: FileManager.default.currentDirectoryPath,
            hostname: ProcessInfo.processInfo.hostName,
            boot: process.boot,
            pid: process.pid,
            time: SystemTime(),
            answersToTerminal: isatty(1) == 1,
            tellsOnTerminal: isatty(2) == 1,
            asksOnTerminal: isatty(0) == 1 && isatty(2) == 1
        )
    }

    var clock: JournalClock { JournalClock(time: time, boot: boot) }

    var operatorIdentity: Operator {
        Operator(program: Version.program, host: hostname, user: user, pid: pid)
    }

    /// `/var/lib/rollbook` for root, `$XDG_STATE_HOME/rollbook` for others; option and environment come first.
    func stateDirectory(_ option: String?) -> String {
        if let chosen = option ?? environment["ROLLBOOK_STATE_DIR"], !chosen.isEmpty { return absolute(chosen) }
        if userID == 0 { return "/var/lib/rollbook" }
        if let base = environment["XDG_STATE_HOME"], base.hasPrefix("/") { return base + "/rollbook" }
        return home + "/.local/state/rollbook"
    }

    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : workingDirectory + "/" + path }

    private static func account(_ id: uid_t) -> (name: String?, home: String?) {
        guard let entry = unsafe getpwuid(id) else { return (nil, nil) }
        let name = unsafe String(cString: entry.pointee.pw_name)
        let home = unsafe String(cString: entry.pointee.pw_dir)
        return (name, home)
    }
}

/// The machine's clocks: wall clock for people, time since boot (suspension included) for measuring.
struct SystemTime: TimeSource {
    var now: UTCMoment {
        var moment = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &moment)
        return UTCMoment(milliseconds: Int64(moment.tv_sec) * 1000 + Int64(moment.tv_nsec) / 1_000_000)
    }

    var uptime: Duration {
        var moment = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &moment)
        return .seconds(moment.tv_sec) + .nanoseconds(moment.tv_nsec)
    }

    func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}

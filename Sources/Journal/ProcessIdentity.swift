import SystemPackage

/// A process as nothing else can be mistaken for: number, start, and the boot they belong to.
package struct ProcessIdentity: Sendable, Hashable {
    package let pid: Int
    /// Field 22 of /proc/<pid>/stat: clock ticks from boot to the start of the process.
    package let startTicks: Int64
    /// The kernel's random id of this boot.
    package let boot: String

    package init(pid: Int, startTicks: Int64, boot: String) {
        self.pid = pid
        self.startTicks = startTicks
        self.boot = boot
    }

    /// This process; nil where /proc cannot be read.
    package static var current: ProcessIdentity? { of(pid: processNumber) }

    /// Whether exactly this process is alive.
    package var isAlive: Bool { ProcessIdentity.of(pid: pid) == self }

    private static func of(pid: Int) -> ProcessIdentity? {
        guard let boot = text("/proc/sys/kernel/random/boot_id"), let status = text(FilePath("/proc/\(pid)/stat"))
        else { return nil }
        // The command name in parentheses may hold anything, so fields are counted from the last parenthesis: it ends
        // field 2.
        guard let name = status.lastIndex(of: ")") else { return nil }
        let fields = status[name...].split(separator: " ")
        guard fields.count > 20, let ticks = Int64(fields[20]) else { return nil }
        return ProcessIdentity(pid: pid, startTicks: ticks, boot: boot)
    }

    private static func text(_ path: FilePath) -> String? {
        guard let bytes = try? readFile(path, limit: 64 << 10) else { return nil }
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}

package import ClusterModel

/// What the holder of a lock says about itself, for messages only: the lock itself is the kernel's.
package struct LockHint: Sendable, Hashable {
    package let run: RunID
    package let process: ProcessIdentity
    package let program: String
    package let runbook: String
    package let since: UTCMoment

    package init(run: RunID, process: ProcessIdentity, program: String, runbook: String, since: UTCMoment) {
        self.run = run
        self.process = process
        self.program = program
        self.runbook = runbook
        self.since = since
    }

    /// The words for a message: `run 20261120T221302Z-9f3a12c4 (pid 4711, upgrade, started 2026-11-20T21:40Z)`.
    package var spoken: String {
        "run \(run) (pid \(process.pid), \(runbook), started \(since.description.prefix(16))Z)"
    }

    var bytes: [UInt8] {
        CanonicalJSON.bytes(
            of: .object([
                "v": .integer(RecordFrame.version), "run": .string(run.text), "pid": .integer(process.pid),
                "startTicks": .integer(process.startTicks), "boot": .string(process.boot), "program": .string(program),
                "runbook": .string(runbook), "since": .string(since.description),
            ])
        ) + [newline]
    }

    /// Reads a hint; nil when it is empty or being written.
    init?(_ bytes: [UInt8]) {
        guard bytes.last == newline, let value = try? CanonicalJSON.value(from: bytes.dropLast()),
            let fields = try? RecordFields(value, as: "hint"), let run = try? fields.parsed("run", { RunID($0) }),
            let pid = try? fields.integer("pid"), let ticks = try? fields.integer("startTicks"),
            let boot = try? fields.string("boot"), let program = try? fields.string("program"),
            let runbook = try? fields.string("runbook"), let since = try? fields.parsed("since", { UTCMoment($0) })
        else { return nil }
        self.init(
            run: run,
            process: ProcessIdentity(pid: pid, startTicks: Int64(ticks), boot: boot),
            program: program,
            runbook: runbook,
            since: since
        )
    }
}

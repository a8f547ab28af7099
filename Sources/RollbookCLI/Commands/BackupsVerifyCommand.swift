import ArgumentParser
import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// `backups verify [ID] --level 0-3`: reads a backup again; level 3 restores it into a scratch etcd on loopback.
struct BackupsVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Verify a backup: 0 manifest, 1 stored hashes, 2 snapshot structure, 3 a real restore into a scratch etcd."
    )

    @Argument(help: "Backup id (else the newest).") var id: String?
    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Level to reach, 0 to 3.") var level: Int = 2
    @Option(help: "age identity file, for encrypted backups at levels 2 and 3.") var identity: String?
    @Option(help: "Folder with etcd, etcdctl and etcdutl, looked in first.") var tools: String?
    @Flag(help: "Verify all published backups.") var all = false

    func validate() throws {
        guard (0...3).contains(level) else { throw ValidationError("--level takes 0, 1, 2 or 3") }
        guard !all || id == nil else { throw ValidationError("--all goes without a backup id") }
    }

    func run() async throws {
        let backups = try Backups(cluster)
        let store = try backups.store()
        let ids = all ? try store.catalogue().sets.map(\.id) : [try backups.identify(id, in: store)]
        var codes: [ExitCode] = []
        var entries: [JSONValue] = []
        for id in ids {
            let report = try await store.verify(id, request(backups))
            entries.append(json(of: report))
            if cluster.state.format == .text { show(report) }
            guard let error = report.error else {
                if let reached = report.reached {
                    try store.noteVerified(id, level: reached, at: backups.surroundings.time.now)
                }
                continue
            }
            codes.append(error.code)
            try store.markBad(
                id,
                reason: error.message.event,
                findings: report.findings,
                at: backups.surroundings.time.now
            )
            Terminal.error(
                OperatorMessage(
                    error.code,
                    at: id.text,
                    error.message.event,
                    state: "It was set aside in bad/: it is not to be restored from and no longer counts as a backup",
                    next: "rollbook run nightly-backup"
                ).description
            )
        }
        if cluster.state.format == .json {
            try JSONAnswer.print(
                .object(["v": .integer(1), "level": .integer(Int64(level)), "backups": .array(entries)])
            )
        }
        try noteRestoreTest(backups, failed: !codes.isEmpty)
        if !codes.isEmpty { throw CommandEnding(code: ExitCode.mostSevere(codes)) }
    }

    private func request(_ backups: Backups) -> VerificationRequest {
        let named = tools.map { ToolPath([backups.surroundings.absolute($0)] + ToolPath.standard.directories) }
        return VerificationRequest(
            level: level,
            identity: identity.map { backups.surroundings.absolute($0) },
            checker: SnapshotChecker(),
            tools: named ?? backups.surroundings.etcdTools,
            scratch: BackupID(moment: backups.surroundings.time.now, random: .random(in: .min ... .max)),
            time: backups.surroundings.time
        )
    }

    private func show(_ report: VerificationReport) {
        let reached = report.reached.map { "level \($0) reached" } ?? "no level reached"
        Terminal.answer("\(report.id): \(report.findings.isEmpty ? "ok" : "BAD"), \(reached)")
        for finding in report.findings {
            Terminal.answer("  level \(finding.level): \(finding.path) \(finding.what)".escapedOnOneLine)
        }
        for note in report.notes { Terminal.answer("  note: \(note)".escapedOnOneLine) }
        if let restore = report.restore {
            Terminal.answer(
                "  restored into etcd \(restore.etcdVersion) on loopback in \(restore.took.brief): revision "
                    + "\(restore.revision), \(restore.keys) keys, as the manifest says"
            )
        }
    }

    private func json(of report: VerificationReport) -> JSONValue {
        .object([
            "id": .string(report.id.text), "ok": .bool(report.findings.isEmpty),
            "reached": report.reached.map { .integer(Int64($0)) } ?? .null,
            "findings": .array(report.findings.map { .string("\($0.path): \($0.what)") }),
            "restoredRevision": report.restore.map { .integer($0.revision) } ?? .null,
            "restoredKeys": report.restore.map { .integer($0.keys) } ?? .null,
        ])
    }

    private func noteRestoreTest(_ backups: Backups, failed: Bool) throws {
        guard level == 3, !failed, let path = backups.cluster.backup.metricsFile else { return }
        let writer = RunID(moment: backups.surroundings.time.now, random: .random(in: .min ... .max))
        try MetricsFile(path: path, cluster: backups.cluster.id).noteRestoreTest(
            at: backups.surroundings.time.now,
            writer: writer
        )
    }
}

import ArgumentParser
import BackupStore
import ClusterModel
import struct EtcdSnapshot.KeyHistory
import struct EtcdSnapshot.SnapshotProblem
import struct EtcdSnapshot.StoredRevision
import RunEngine

/// `backups extract [ID|FILE] --key KEY`: one stored value, as it is or as readable JSON; never a Secret's.
struct BackupsExtractCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract",
        abstract: "Print one value of an etcd snapshot, or store it as a file; never that of a Secret.",
        discussion: """
            Without --out the value goes to standard output as it is stored: kube-apiserver stores built-in kinds as protobuf and \
            custom resources as JSON, which --decode makes readable. With --format json the answer describes the value \
            (kind, encoding, length, revision) and holds nothing of it. Secrets are refused (exit 4), also into a file: to get one \
            back, restore the backup into a scratch etcd.
            """
    )

    @Argument(help: "Backup id or snapshot file (else the newest backup).") var source: String?
    @OptionGroup var snapshot: SnapshotOptions
    @OptionGroup var cluster: ClusterOptions
    @Option(help: "The whole key, such as /registry/configmaps/shop/settings.") var key: String
    @Option(help: "The value as it was at this revision, where the snapshot still has it.") var revision: Int64?
    @Flag(help: "Print JSON with line breaks; anything else is refused.") var decode = false
    @Option(help: "Store the value as this new file (mode 0600).") var out: String?

    func validate() throws {
        guard !key.isEmpty else { throw ValidationError("--key takes a key") }
        guard revision ?? 1 >= 1 else { throw ValidationError("--revision takes a number from 1 on") }
    }

    func run() async throws {
        let rule = SecretRule(prefix: snapshot.keyPrefix)
        try rule.check(key: key)
        let opened = try await VerifiedSnapshot.open(source, snapshot, cluster)
        let change = try KeyAnswer(
            key: key,
            revision: revision,
            label: opened.label,
            source: source ?? opened.recorded?.manifest.id.text ?? opened.label,
            newest: opened.report.revision,
            compacted: opened.report.compactedRevision
        ).change(in: history(opened))
        let value = try value(of: change, opened)
        try rule.check(value)
        let bytes = decode ? try value.readable() : value.bytes
        try answer(value, bytes)
    }

    private func history(_ opened: VerifiedSnapshot) throws -> KeyHistory {
        do throws(SnapshotProblem) {
            return try opened.contents.history(of: Array(key.utf8), at: revision)
        } catch {
            throw error.message(at: opened.label, next: nil)
        }
    }

    private func value(of change: StoredRevision, _ opened: VerifiedSnapshot) throws -> ExtractedValue {
        guard change.valueLength <= ExtractedValue.limit else {
            throw OperatorMessage(
                .refused,
                at: key,
                "its value has \(change.valueLength) bytes; at most \(ExtractedValue.limit) are extracted"
            )
        }
        do throws(SnapshotProblem) {
            return ExtractedValue(
                key: key,
                change: change,
                object: try opened.contents.object(of: change),
                bytes: try opened.contents.value(of: change, atMost: ExtractedValue.limit)
            )
        } catch {
            throw error.message(at: opened.label, next: nil)
        }
    }

    private func answer(_ value: ExtractedValue, _ bytes: [UInt8]) throws {
        let surroundings = try Surroundings.current()
        if let out { try PrivateFile.create(at: surroundings.absolute(out), bytes) }
        if cluster.state.format == .json { return try JSONAnswer.print(value.json(storedAs: out)) }
        if let out {
            return Terminal.answer("\(value.description), stored as \(out.escapedOnOneLine)")
        }
        // What is stored may hold anything a terminal obeys.
        guard decode || !surroundings.answersToTerminal else {
            throw OperatorMessage(
                .usage,
                at: key,
                "standard output is a terminal, and a stored value may hold what it would obey",
                next: "add --out FILE, --decode for JSON, or --format json for what it is"
            )
        }
        if !cluster.state.quiet { Terminal.error("rollbook: note: \(value.description)") }
        try Terminal.machineAnswer(bytes: decode ? bytes + [UInt8(ascii: "\n")] : bytes)
    }
}

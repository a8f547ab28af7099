import ArgumentParser
import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import Manifests
import RunEngine

struct BackupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups",
        abstract: "The catalogue of backups on this controller.",
        subcommands: [
            BackupsListCommand.self, BackupsShowCommand.self, BackupsVerifyCommand.self, BackupsPruneCommand.self,
            BackupsStatusCommand.self, BackupsInspectCommand.self, BackupsDiffCommand.self, BackupsExtractCommand.self,
        ],
        defaultSubcommand: BackupsListCommand.self
    )
}

/// What every `backups` command needs: the inventory's policy and the store of its cluster.
struct Backups {
    let surroundings: Surroundings
    let cluster: Cluster
    private let local: LocalBackups

    init(_ options: ClusterOptions) throws {
        surroundings = try Surroundings.current()
        let path = try InventoryFinder(surroundings).find(options.inventory)
        cluster = try ClusterContext.loadInventory(path, surroundings, isVerbose: options.state.verbose).cluster
        let state = surroundings.stateDirectory(options.state.stateDir)
        local = LocalBackups(state: state, cluster: cluster, time: surroundings.time)
    }

    var existing: BackupStore? {
        get throws { try local.existing() }
    }

    /// The store, or the message that there is none.
    func store() throws -> BackupStore {
        guard let store = try existing else {
            throw OperatorMessage(
                .refused,
                at: cluster.id.text,
                "there is no backup of this cluster in \(local.root)",
                next: "rollbook run nightly-backup"
            )
        }
        return store
    }

    func identify(_ text: String?, in store: BackupStore) throws -> BackupID {
        guard let text else {
            guard let newest = try store.catalogue().sets.first else {
                throw OperatorMessage(.refused, at: cluster.id.text, "there is no published backup")
            }
            return newest.id
        }
        guard let id = BackupID(text) else {
            throw OperatorMessage(.usage, at: text, "is no backup id", next: "rollbook backups list")
        }
        return id
    }
}

struct BackupsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the published backups.")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let backups = try Backups(cluster)
        let catalogue = try backups.existing?.catalogue()
        let sets = catalogue?.sets ?? []
        if cluster.state.format == .json {
            return try JSONAnswer.print(
                .object([
                    "v": .integer(1), "cluster": .string(backups.cluster.id.text),
                    "backups": .array(sets.map { BackupRow($0, now: backups.surroundings.time.now).json }),
                    "problems": .array((catalogue?.problems ?? []).map { .string("\($0.name): \($0.what)") }),
                    "growth": .array(trends(backups, sets).map { Self.json($0, $1) }),
                ])
            )
        }
        guard !sets.isEmpty else { return Terminal.answer("No backups of cluster \(backups.cluster.id) yet.") }
        var table = Table(
            ("BACKUP", .left),
            ("AGE", .right),
            ("RESULT", .left),
            ("LEVEL", .right),
            ("SIZE", .right),
            ("REVISION", .right),
            ("KEYS", .right),
            ("", .left)
        )
        for set in sets {
            let row = BackupRow(set, now: backups.surroundings.time.now)
            table.add(
                set.id.text,
                row.age,
                set.result.rawValue,
                String(set.level),
                row.size,
                row.revision,
                row.keys,
                row.marks
            )
        }
        Terminal.answer(table.text)
        for (host, trend) in trends(backups, sets) where trend.bytesPerDay != nil {
            Terminal.answer("etcd of \(host) \(DatabaseGrowth.text(of: trend))")
        }
        for problem in catalogue?.problems ?? [] {
            Terminal.error("rollbook: note: \(problem.name.escapedOnOneLine): \(problem.what.escapedOnOneLine)")
        }
        if let catalogue, !catalogue.bad.isEmpty {
            Terminal.error(
                "rollbook: note: \(catalogue.bad.count) backups failed verification and are set aside in bad/"
            )
        }
    }
}

extension BackupsListCommand {
    /// How each member of the newest backup grew.
    private func trends(_ backups: Backups, _ sets: [BackupSummary]) -> [(HostName, DatabaseTrend)] {
        let kept = KeptDatabases(sets, now: backups.surroundings.time.now)
        return (sets.first?.databases ?? []).compactMap { size in kept.trend(of: size.host).map { (size.host, $0) } }
    }

    private static func json(_ host: HostName, _ trend: DatabaseTrend) -> JSONValue {
        var members = trend.json
        members["host"] = .string(host.text)
        return .object(members)
    }
}

extension DatabaseTrend {
    /// What every answer tells of it.
    var json: [String: JSONValue] {
        [
            "backups": .integer(Int64(backups)), "spanSeconds": .integer(span.components.seconds),
            "measure": .string(measure.rawValue), "bytesPerDay": bytesPerDay.map { .integer($0) } ?? .null,
        ]
    }
}

/// One backup as a row.
struct BackupRow {
    private let summary: BackupSummary
    private let now: UTCMoment

    init(_ summary: BackupSummary, now: UTCMoment) {
        self.summary = summary
        self.now = now
    }

    var age: String { summary.age(at: now).brief }
    var size: String { byteCount(summary.bytes) }
    var revision: String { summary.revision.map(String.init) ?? "-" }
    var keys: String { summary.liveKeys.map(String.init) ?? "-" }
    var marks: String {
        [summary.encrypted ? "encrypted" : nil, summary.pinned ? "pinned" : nil].compactMap { $0 }.joined(
            separator: ", "
        )
    }

    var json: JSONValue {
        .object([
            "id": .string(summary.id.text), "ageSeconds": .integer(summary.age(at: now).components.seconds),
            "result": .string(summary.result.rawValue), "level": .integer(Int64(summary.level)),
            "bytes": .integer(summary.bytes), "revision": summary.revision.map { .integer($0) } ?? .null,
            "keys": summary.liveKeys.map { .integer($0) } ?? .null, "encrypted": .bool(summary.encrypted),
            "pinned": .bool(summary.pinned), "good": .bool(summary.isGood), "etcd": .string(summary.etcdVersion),
            "manifestSHA256": .string(summary.manifestSHA256),
        ])
    }
}

struct BackupsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one backup: its manifest.")

    @Argument(help: "Backup id (else the newest).") var id: String?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let backups = try Backups(cluster)
        let store = try backups.store()
        let id = try backups.identify(id, in: store)
        let (manifest, sha256) = try store.manifest(of: id)
        if cluster.state.format == .json {
            return try JSONAnswer.print(
                .object([
                    "v": .integer(1), "manifestSHA256": .string(sha256), "manifest": try JSONValue(encoding: manifest),
                ])
            )
        }
        Terminal.answer(
            BackupDetails(manifest, sha256: sha256, summary: try store.summary(of: id), path: store.path).text
        )
    }
}

struct BackupsPruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove backups that the retention policy no longer keeps."
    )

    @OptionGroup var cluster: ClusterOptions
    @Flag(name: .shortAndLong, help: "Remove; without it only show what would be removed.") var yes = false
    @Option(help: "Agree to removing this many, when it is more than half of the good ones.") var confirmCount: Int?

    func run() async throws {
        let backups = try Backups(cluster)
        let store = try backups.store()
        let policy = backups.cluster.backup
        let decision = try store.planRetention(
            policy: policy.retention,
            interval: policy.interval,
            now: backups.surroundings.time.now,
            occasion: .asked,
            confirmedCount: confirmCount
        )
        var table = Table(("BACKUP", .left), ("", .left), ("WHY", .left))
        for kept in decision.keep { table.add(kept.id.text, "keep", kept.rules.joined(separator: ", ")) }
        for victim in decision.delete { table.add(victim.id.text, yes ? "remove" : "would remove", victim.why) }
        Terminal.answer(table.text)
        if let refusal = decision.refusal { throw refusal }
        guard yes else { return Terminal.answer("Nothing was removed. To remove: rollbook backups prune --yes") }
        let context = try ClusterContext.load(cluster, backups.surroundings)
        let session = try RunSession(
            context,
            stateOption: cluster.state.stateDir,
            view: RunView(cluster.state, backups.surroundings)
        )
        let lock = try session.lock(for: session.newRunID(), runbook: "backups prune")
        defer { lock.release() }
        let removed = try store.apply(decision)
        Terminal.answer("\(removed.count) removed, \(decision.keep.count) kept.")
    }
}

struct BackupsStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "For monitoring: is there a good backup that is new enough?"
    )

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Oldest age that is still fine: 90m, 26h, 2d.") var maxAge: String = "26h"

    func run() async throws {
        guard let limit = parseDuration(maxAge) else {
            throw OperatorMessage(.usage, at: "--max-age \(maxAge)", "is no duration", next: "write 26h, 90m or 2d")
        }
        let backups = try Backups(cluster)
        let catalogue = try backups.existing?.catalogue()
        let now = backups.surroundings.time.now
        let status = catalogue.map { BackupStatus($0, maxAge: limit, now: now) }
        let newest = status?.newestGood
        if cluster.state.format == .json {
            try JSONAnswer.print(
                .object([
                    "v": .integer(1), "cluster": .string(backups.cluster.id.text),
                    "verdict": .string(status?.verdict.rawValue ?? "none"),
                    "maxAgeSeconds": .integer(limit.components.seconds),
                    "newestGood": newest.map { BackupRow($0, now: now).json } ?? .null,
                ])
            )
        } else if let newest, let age = status?.age {
            let verdict = status?.verdict == .fresh ? "ok" : status?.verdict == .stale ? "TOO OLD" : "CLOCK IN DOUBT"
            Terminal.answer(
                "\(backups.cluster.id): \(verdict): newest good backup \(newest.id) is \(age.brief) old (limit \(maxAge)), "
                    + "level \(newest.level), revision \(newest.revision.map(String.init) ?? "-")"
            )
        } else {
            Terminal.answer("\(backups.cluster.id): NONE: there is no good backup (limit \(maxAge))")
        }
        let code = status?.exitCode ?? .refused
        if code != .done { throw CommandEnding(code: code) }
    }
}

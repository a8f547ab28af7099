import Foundation
import Testing

/// A controller of the practice cluster: a folder of its own for runs and backups, its own inventory and environment.
final class Controller: Sendable {
    let lab = Lab.here
    let folder: TemporaryFolder
    let state: String
    let inventory: String

    /// Makes a controller of its own: inventory, state folder, known hosts.
    ///
    /// `backup` takes the place of the lab inventory's `backup:` section (its lines, without indentation); `state` is the
    /// folder of runs and backups, made by whoever names it, else a new one.
    init(
        backup: [String]? = nil,
        state: String? = nil,
        knownHosts: String? = nil,
        of cluster: String = "inventory.yaml"
    ) throws {
        folder = try TemporaryFolder()
        self.state = state ?? folder.path + "/state"
        inventory = folder.path + "/inventory.yaml"
        var text = LabTests.text(of: "\(lab.state)/\(cluster)")
        if let backup, let section = text.range(of: "backup:\n") {
            text = text[..<section.lowerBound] + "backup:\n" + backup.map { "  \($0)\n" }.joined()
        }
        if let knownHosts { text.replace("\(lab.state)/known_hosts", with: knownHosts) }
        try Data(text.utf8).write(to: URL(filePath: inventory))
    }

    /// Nothing of the tests' own surroundings but where etcd's programs are.
    var environment: [String: String] {
        [
            "PATH": "\(lab.tools):/usr/bin:/bin", "HOME": folder.path, "LC_ALL": "C.UTF-8",
            "ROLLBOOK_INVENTORY": inventory, "ROLLBOOK_STATE_DIR": state,
        ]
    }

    func process(_ arguments: [String]) -> Process {
        Process(program: lab.program, arguments: arguments, environment: environment, directory: folder.path)
    }

    /// Runs the program.
    @discardableResult
    func rollbook(_ arguments: String...) async throws -> Answer { try await process(arguments).run() }

    /// Runs the program in the background while `body` looks on.
    func rollbook(
        _ arguments: String...,
        while body: @escaping @Sendable (RunningProcess) async throws -> Void
    ) async throws -> Answer {
        try await process(arguments).run(body)
    }

    /// Runs a line of bash; `$ROLLBOOK` is the program.
    func bash(_ line: String, environment more: [String: String] = [:]) async throws -> Answer {
        try await Process(
            program: "/bin/bash",
            arguments: ["-c", line],
            environment: environment.merging(more) { $1 }.merging(["ROLLBOOK": lab.program]) { $1 },
            directory: folder.path
        ).run()
    }

    /// Takes the backup that a test needs to begin with.
    @discardableResult
    func backup() async throws -> BackupEntry {
        let answer = try await rollbook("run", "nightly-backup", "--yes", "--quiet")
        try #require(answer.code == 0, "\(answer)")
        return try #require(try await backups().backups.first)
    }

    /// `backups list`, which must succeed.
    func backups() async throws -> BackupList {
        let answer = try await rollbook("backups", "list", "--format", "json")
        try #require(answer.code == 0, "\(answer)")
        return try answer.decode(BackupList.self)
    }

    /// `runs`, newest first, after `journal verify` found every journal whole.
    func runs() async throws -> [RunEntry] {
        let list = try await rollbook("runs", "--format", "json")
        try #require(list.code == 0, "\(list)")
        let runs = try list.decode(RunList.self).runs
        if !runs.isEmpty {
            let verdict = try await rollbook("journal", "verify", "--format", "json")
            #expect(verdict.code == 0, "\(verdict)")
            #expect(try verdict.decode(JournalVerdict.self).runs.count == runs.count)
        }
        return runs
    }

    /// Folder of published sets.
    var sets: String { "\(state)/backups/lab" }

    /// Names in a folder below the cluster's backups, hidden ones too.
    func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: sets + "/" + folder))?.sorted() ?? []
    }
}

struct BackupList: Decodable, Sendable {
    let cluster: String
    let backups: [BackupEntry]
    let problems: [String]
}

struct BackupEntry: Decodable, Sendable, Equatable {
    let id: String
    let result: String
    let level: Int
    let good: Bool
    let encrypted: Bool
    let keys: Int?
    let manifestSHA256: String
}

struct RunList: Decodable, Sendable { let runs: [RunEntry] }

struct RunEntry: Decodable, Sendable {
    let run: String
    let status: String
    let exitCode: Int?
}

struct JournalVerdict: Decodable, Sendable {
    struct Entry: Decodable, Sendable {
        let run: String
        let ok: Bool
    }
    let runs: [Entry]
}

@testable import BackupStore
import ClusterModel
import Testing

/// A key pair that only tests use.
enum AgeKeys {
    static let recipient = "age12sdrqrvu73rv95zmy7jap076hvtymxu0vw0atuat7g8mc7fma5dq9g5jah"
    static let identity = "AGE-SECRET-KEY-1Z95LJQ9K55989Q0X5HMZ65KG0R8JVL94ACA6VWULWS8T4YRHPCPS06G3LJ"

    static var policy: BackupPolicy {
        var policy = BackupPolicy()
        policy.encryption = .required
        policy.recipients = [recipient]
        return policy
    }

    static func encryption() async throws -> AgeEncryption? {
        try await AgeEncryption.required(by: policy, tools: .standard, time: TestTime())
    }
}

@Suite("Encryption with age")
struct AgeTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    /// Publishes a set with an encrypted snapshot.
    private func publish(_ id: BackupID, bytes: [UInt8]) async throws -> PublishedBackup {
        let store = try sandbox.store()
        let staged = try store.beginStaging(id)
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(bytes, as: name, to: staged)
        let facts = try staged.check(snapshot: name, with: TrailerChecker())
        let file = try await staged.seal(name, with: AgeKeys.encryption(), time: TestTime())
        let snapshot = StoredSnapshot(host: ClusterSupply.master1, member: "1", file: file, facts: facts)
        return try staged.publish(
            ClusterSupply.manifest(
                id,
                policy: AgeKeys.policy,
                snapshots: [snapshot],
                recipients: [AgeKeys.recipient]
            )
        )
    }

    private func request(level: Int, key: String?) throws -> VerificationRequest {
        var path: String?
        if let key {
            path = sandbox.path + "/key.txt"
            let folder = try Directory.root(at: sandbox.path, create: false)
            try folder.writeFile("key.txt", Array((key + "\n").utf8))
        }
        return VerificationRequest(
            level: level,
            identity: path,
            checker: TrailerChecker(),
            scratch: ClusterSupply.id(99),
            time: TestTime()
        )
    }

    @Test(
        "an encrypted set holds no plain file and verifies to level 1 without, to level 2 with the key",
        arguments: [1, 127, 128, 129, 300]
    )
    func roundTrip(pages: Int) async throws {
        let id = ClusterSupply.id()
        let published = try await publish(id, bytes: TrailerChecker.snapshot(pages: pages, seed: 5))
        #expect(published.manifest.files.map(\.path) == ["etcd/master1.db.age"])
        #expect(!sandbox.exists("\(id)/etcd/master1.db"))
        let store = try sandbox.store()
        #expect(try store.catalogue().sets[0].encrypted)
        let blind = try await store.verify(id, request(level: 2, key: nil))
        #expect(blind.reached == 1 && blind.findings.isEmpty && blind.notes.count == 1)
        let full = try await store.verify(id, request(level: 2, key: AgeKeys.identity))
        #expect(full.reached == 2 && full.findings.isEmpty)
        #expect(try store.catalogue().staging.isEmpty)
    }

    @Test("a wrong key is the key's fault, not the backup's")
    func wrongKey() async throws {
        let id = ClusterSupply.id()
        _ = try await publish(id, bytes: TrailerChecker.snapshot(pages: 1, seed: 5))
        let other = "AGE-SECRET-KEY-1M26L6HKCC064E8VNPASYK3LSMXDDZHLNMH6Q3PQUZ825QM2GVVZQUEE9E7"
        let error = await #expect(throws: BackupError.self) {
            try await sandbox.store().verify(id, request(level: 2, key: other))
        }
        #expect(error?.code == .stepFailed)
        #expect(error?.message.description.contains(other) == false)
    }

    @Test("a key file that others can read is refused in ssh's words (I12)")
    func openKey() async throws {
        let id = ClusterSupply.id()
        _ = try await publish(id, bytes: TrailerChecker.snapshot(pages: 1, seed: 5))
        let request = try request(level: 2, key: AgeKeys.identity)
        let path = try #require(request.identity)
        #expect(
            try await ChildProcess(program: "/bin/chmod", arguments: ["0644", path]).run(time: TestTime()).exitCode == 0
        )
        let error = await #expect(throws: BackupError.self) { try await sandbox.store().verify(id, request) }
        #expect(error == .unsafePath(path, why: "has mode 0644, want 0600"))
    }

    static let refused: [(BackupPolicy.Encryption, [String])] = [
        (.required, []), (.required, ["age1short"]), (.required, ["-o/etc/passwd"]), (.optional, ["nonsense"]),
        (.required, ["age1" + String(repeating: "q", count: 58)]), (.required, ["ssh-ed25519 nonsense"]),
        (.required, [AgeKeys.recipient, AgeKeys.identity]), (.required, [AgeKeys.recipient + "\n"]),
    ]

    @Test("missing and wrong recipients are refused before anything starts (B08)", arguments: refused)
    func refusesRecipients(_ encryption: BackupPolicy.Encryption, _ recipients: [String]) async throws {
        var policy = BackupPolicy()
        policy.encryption = encryption
        policy.recipients = recipients
        let error = await #expect(throws: BackupError.self) {
            try await AgeEncryption.required(by: policy, tools: .standard, time: TestTime())
        }
        #expect(error?.code == .refused)
        #expect(error?.message.description.contains("SECRET") == false)
        #expect(error?.message.next != nil)
    }

    @Test("without age installed a policy that wants encryption is refused (B08)")
    func refusesWithoutAge() async throws {
        let error = await #expect(throws: BackupError.self) {
            try await AgeEncryption.required(by: AgeKeys.policy, tools: ToolPath(["/nowhere"]), time: TestTime())
        }
        #expect(error?.message.next == "apt-get install age")
    }

    @Test("no encryption is used only when none is asked for")
    func plainByPolicy() async throws {
        var policy = BackupPolicy()
        policy.recipients = [AgeKeys.recipient]
        #expect(try await AgeEncryption.required(by: policy, tools: .standard, time: TestTime()) == nil)
        policy.encryption = .optional
        #expect(try await AgeEncryption.required(by: policy, tools: .standard, time: TestTime()) != nil)
        policy.recipients = []
        #expect(try await AgeEncryption.required(by: policy, tools: .standard, time: TestTime()) == nil)
    }

    @Test("an age that says it is done and wrote too little is caught")
    func truncatingAge() async throws {
        let folder = try Directory.root(at: sandbox.path + "/bin", create: true)
        let script =
            "#!/bin/sh\ncase \"$1\" in --armor) exec /usr/bin/age \"$@\";; esac\n/usr/bin/age \"$@\" | head -c 700\n"
        try folder.writeFile("age", Array(script.utf8))
        let chmod = ChildProcess(program: "/bin/chmod", arguments: ["0700", sandbox.path + "/bin/age"])
        #expect(try await chmod.run(time: TestTime()).exitCode == 0)
        let encryption = try await AgeEncryption.required(
            by: AgeKeys.policy,
            tools: ToolPath([sandbox.path + "/bin"]),
            time: TestTime()
        )
        let staged = try sandbox.store().beginStaging(ClusterSupply.id())
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(TrailerChecker.snapshot(pages: 2, seed: 3), as: name, to: staged)
        let error = await #expect(throws: BackupError.self) {
            try await staged.seal(name, with: encryption, time: TestTime())
        }
        #expect(error?.message.description.contains("700 bytes that are not a whole file") == true)
    }
}

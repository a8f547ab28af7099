@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Glibc
import Testing

/// Where tests look for etcd: Debian's packages.
private let installed = ToolPath(["/usr/bin"])

@Suite(
    "Restore test, level 3, with a real etcd",
    .enabled(if: installed.find("etcd") != nil && installed.find("etcdctl") != nil)
)
struct RestoreTestTests {
    let sandbox: Sandbox
    let store: BackupStore
    let id = ClusterSupply.id()

    init() throws {
        sandbox = try Sandbox()
        store = try sandbox.store()
    }

    /// A snapshot that Debian's etcd 3.4 wrote: two keys written, one of them twice, one more deleted; revision 6.
    static let snapshot = "etcd-3.4.23.db"
    static let facts = SnapshotFacts(revision: 6, totalKeys: 9, liveKeys: 2, hash: 2_726_874_496, pageSize: 4096)

    private func publish(_ facts: SnapshotFacts = facts) async throws -> TrailerChecker {
        let bytes = try Array(Data(contentsOf: URL(filePath: Fixtures.path + "/" + Self.snapshot)))
        let checker = TrailerChecker(facts: facts)
        try await ClusterSupply.publish(id, in: store, snapshot: bytes, checker: checker)
        return checker
    }

    private func verify(
        _ checker: TrailerChecker,
        tools: ToolPath = installed,
        deadline: Duration = .seconds(60)
    )
        async throws(BackupError) -> VerificationReport
    {
        try await store.verify(
            id,
            VerificationRequest(
                level: 3,
                checker: checker,
                tools: tools,
                scratch: ClusterSupply.id(99),
                deadline: deadline,
                time: TestTime()
            )
        )
    }

    /// Processes that have the sandbox as their working directory.
    private func leftovers() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { entry in
            guard Int(entry) != nil else { return false }
            let cwd = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(entry)/cwd")
            return cwd?.hasPrefix(sandbox.path) == true
        }
    }

    @Test("a sound snapshot starts, answers with the manifest's revision and keys, and leaves nothing behind")
    func restores() async throws {
        let report = try await verify(try await publish())
        #expect(report.reached == 3 && report.findings.isEmpty)
        #expect(report.restore?.revision == 6 && report.restore?.keys == 2)
        #expect(report.restore?.sampleKey == "/registry/namespaces/kube-system")
        #expect(try store.catalogue().staging.isEmpty)
        #expect(try leftovers() == [])
    }

    @Test("another revision or number of keys than the manifest's is found")
    func differs() async throws {
        var wrong = Self.facts
        (wrong.revision, wrong.liveKeys) = (7, 3)
        let report = try await verify(try await publish(wrong))
        #expect(report.reached == 2)
        #expect(
            report.findings.map(\.what) == [
                "restores to revision 6, the manifest says 7", "restores to 2 keys, the manifest says 3",
            ]
        )
        #expect(report.error?.code == .integrity)
    }

    @Test("a file that etcd cannot restore is a finding, not a fault")
    func notASnapshot() async throws {
        let bytes = TrailerChecker.snapshot(pages: 64, seed: 1)
        try await ClusterSupply.publish(id, in: store, snapshot: bytes)
        let report = try await verify(TrailerChecker())
        #expect(report.reached == 2 && report.findings.count == 1)
        #expect(report.findings.summary.contains("does not restore with /usr/bin/etcdctl 3.4"))
        #expect(try store.catalogue().staging.isEmpty)
        #expect(try leftovers() == [])
    }

    @Test("an etcd that is too old for the snapshot is named, with what to install")
    func tooOld() async throws {
        var newer = Self.facts
        newer.storageVersion = "3.6.0"
        let checker = try await publish(newer)
        let error = await #expect(throws: BackupError.self) { try await verify(checker) }
        #expect(error?.code == .refused)
        #expect(error?.message.description.contains("version 3.6 or later in one folder; found: 3.4") == true)
        let none = await #expect(throws: BackupError.self) { try await verify(checker, tools: ToolPath(["/nowhere"])) }
        #expect(none?.message.description.contains("found: none") == true)
        #expect(try store.catalogue().staging.isEmpty)
    }

    @Test("an etcd that never answers is stopped at the deadline, with everything it started")
    func hangs() async throws {
        let checker = try await publish()
        let bin = try Directory.root(at: sandbox.path + "/bin", create: true)
        let etcd = """
            #!/bin/sh
            [ "$1" = --version ] && exec /usr/bin/etcd --version
            exec sleep 1000
            """
        try bin.writeFile("etcd", Array(etcd.utf8))
        try bin.writeFile("etcdctl", Array("#!/bin/sh\nexec /usr/bin/etcdctl \"$@\"\n".utf8))
        for tool in ["etcd", "etcdctl"] { try #require(unsafe chmod("\(sandbox.path)/bin/\(tool)", 0o700) == 0) }
        let error = await #expect(throws: BackupError.self) {
            try await verify(checker, tools: ToolPath([sandbox.path + "/bin"]), deadline: .seconds(1))
        }
        #expect(error?.code == .deadline)
        #expect(try leftovers() == [])
        #expect(try store.catalogue().staging.isEmpty)
    }

    @Test("an etcd that ends by itself is told with its last word")
    func ends() async throws {
        let checker = try await publish()
        let bin = try Directory.root(at: sandbox.path + "/bin", create: true)
        let etcd =
            "#!/bin/sh\n[ \"$1\" = --version ] && exec /usr/bin/etcd --version\necho cannot open database; exit 2\n"
        try bin.writeFile("etcd", Array(etcd.utf8))
        try bin.writeFile("etcdctl", Array("#!/bin/sh\nexec /usr/bin/etcdctl \"$@\"\n".utf8))
        for tool in ["etcd", "etcdctl"] { try #require(unsafe chmod("\(sandbox.path)/bin/\(tool)", 0o700) == 0) }
        let error = await #expect(throws: BackupError.self) {
            try await verify(checker, tools: ToolPath([sandbox.path + "/bin"]))
        }
        #expect(error?.message.description.contains("cannot open database") == true)
        #expect(try leftovers() == [])
    }

    @Test("versions are read and compared by their minor")
    func versions() throws {
        let old = try #require(EtcdVersion("3.4.23"))
        let new = try #require(EtcdVersion("3.5.0-rc.1"))
        #expect(new.description == "3.5.0" && old < new && new.isAtLeastMinor(of: old) && !old.isAtLeastMinor(of: new))
        #expect(EtcdVersion("") == nil && EtcdVersion("x.y") == nil)
    }
}

@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Testing

@Suite("Format 1, as it was published")
struct FormatContractTests {
    let sandbox: Sandbox
    let store: BackupStore

    static let plain = ClusterSupply.id(1)
    static let encrypted = ClusterSupply.id(2)
    static let hashes = [
        plain: "6f6c6943e714a20b85c32999d5c549043de86e011c8a166de9870031d1250525",
        encrypted: "475616248af112ada063304e1fe822f9c5fb9b1a654e5841cdfdc58edecd9dc4",
    ]

    init() throws {
        sandbox = try Sandbox()
        store = try sandbox.store()
        for set in [Self.plain, Self.encrypted] {
            let source = "\(Fixtures.path)/v1/prod/\(set)"
            let directory = try store.folder.makeSubdirectory(set.text, exclusive: true)
            for relative in try FileManager.default.subpathsOfDirectory(atPath: source) {
                var isDirectory = false
                _ = FileManager.default.fileExists(atPath: "\(source)/\(relative)", isDirectory: &isDirectory)
                if isDirectory { continue }
                let bytes = try Array(Data(contentsOf: URL(filePath: "\(source)/\(relative)")))
                let parts = relative.split(separator: "/").map(String.init)
                let folder =
                    parts.count == 1 ? directory : try directory.makeSubdirectory(parts[0], exclusive: false)
                try folder.writeFile(parts[parts.count - 1], bytes)
            }
        }
    }

    private func request(level: Int) throws -> VerificationRequest {
        try Directory.root(at: sandbox.path, create: false).writeFile("key.txt", Array((AgeKeys.identity + "\n").utf8))
        return VerificationRequest(
            level: level,
            identity: sandbox.path + "/key.txt",
            checker: TrailerChecker(facts: RestoreTestTests.facts),
            scratch: ClusterSupply.id(99),
            time: TestTime()
        )
    }

    @Test("both sets are read, listed and verified to level 2")
    func reads() async throws {
        let catalogue = try store.catalogue()
        #expect(catalogue.problems.isEmpty && catalogue.sets.map(\.id) == [Self.encrypted, Self.plain])
        #expect(catalogue.sets.map(\.encrypted) == [true, false])
        for set in catalogue.sets {
            #expect(set.isGood && set.revision == 6 && set.liveKeys == 2 && set.etcdVersion == "3.4.23")
            #expect(set.manifestSHA256 == Self.hashes[set.id])
            let report = try await store.verify(set.id, request(level: 2))
            #expect(report.reached == 2 && report.findings.isEmpty)
        }
    }

    @Test("a manifest written again is the same bytes", arguments: [plain, encrypted])
    func canonical(_ id: BackupID) throws {
        let manifest = try store.manifest(of: id).manifest
        #expect(try CanonicalJSON.bytes(of: manifest) == sandbox.read("\(id)/manifest.json"))
        #expect(manifest.archives[0].entries.map(\.path).last == "etc/haproxy/haproxy.cfg")
        #expect(manifest.archives[0].checks[0].verdict == .ok && manifest.missing[0].what == "/etc/keepalived")
    }

    @Test("a field that a later program added is passed over")
    func additions() throws {
        let text = String(decoding: try sandbox.read("\(Self.plain)/manifest.json"), as: UTF8.self)
        let longer = text.replacing("\"format\":1", with: "\"extra\":{\"a\":[1,null]},\"format\":1")
        try sandbox.overwrite("\(Self.plain)/manifest.json", Array(longer.utf8))
        #expect(try store.manifest(of: Self.plain).manifest.id == Self.plain)
    }

    @Test("the way by hand works: sha256sum, age, the trailer, tar")
    func byHand() async throws {
        _ = try request(level: 2)
        let script = """
            umask 077
            cd "$1/backups/prod/$2"
            sha256sum --strict --quiet -c SHA256SUMS
            age -d -i "$1/key.txt" etcd/master1.db.age >"$1/master1.db"
            age -d -i "$1/key.txt" hosts/lb1.tar.age >"$1/lb1.tar"
            cd "$1"
            body=$(head -c -32 master1.db | sha256sum | cut -d' ' -f1)
            trailer=$(tail -c 32 master1.db | od -An -tx1 | tr -d ' \\n')
            [ "$body" = "$trailer" ]
            tar -tf lb1.tar
            tar -xf lb1.tar etc/haproxy/haproxy.cfg
            cat etc/haproxy/haproxy.cfg
            """
        let child = ChildProcess(
            program: "/bin/sh",
            arguments: ["-ec", script, "sh", sandbox.path, Self.encrypted.text]
        )
        let result = try await child.run(time: TestTime())
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.hasSuffix("etc/haproxy/haproxy.cfg\nglobal\n    maxconn 2000\n"))
    }
}

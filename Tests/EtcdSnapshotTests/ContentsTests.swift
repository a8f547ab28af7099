@testable import EtcdSnapshot
import Testing

@Suite("What is inside a snapshot")
struct ContentsTests {
    private func contents(_ name: String) throws -> SnapshotContents {
        let source = MemoryBytes(try Fixture(name).bytes)
        return try SnapshotContents(of: source, verifiedAs: SnapshotVerifier().verify(source))
    }

    @Test("objects are counted by resource and namespace", arguments: ["3.4.23", "3.5.1", "3.5.16", "3.5.30"])
    func summary(_ version: String) throws {
        let summary = try contents("kubernetes-\(version)").registrySummary()
        #expect(summary.objects == 69)
        #expect(summary.otherKeys == 1)
        #expect(summary.unlisted == 0)
        #expect(summary.encrypted == ["aescbc": 1])
        let counts = summary.rowsByResource.map { "\($0.group ?? "")/\($0.resource)=\($0.objects)" }
        #expect(
            counts == [
                "apiregistration.k8s.io/apiservices=1", "/leases=3", "/masterleases=1", "/minions=3", "/namespaces=5",
                "/pods=46", "/ranges=1", "/secrets=1", "/serviceaccounts=5", "/services/endpoints=1",
                "/services/specs=1", "example.com/widgets=1",
            ]
        )
        #expect(summary.objectsByNamespace["shop"] == 33)
        #expect(summary.objectsByNamespace["kube-node-lease"] == 4)
        #expect(summary.rows.reduce(0) { $0 + $1.objects } == 69)
    }

    @Test("walking backwards finds the live keys that walking forwards counts", arguments: Fixture.all)
    func bothDirections(_ fixture: Fixture) throws {
        var keys: Set<[UInt8]> = []
        var calls = 0
        try contents(fixture.name).forEachLiveKey { revision in
            keys.insert(revision.key)
            calls += 1
            #expect(!revision.isTombstone)
        }
        #expect(calls == fixture.expected.liveKeys)
        #expect(keys.count == calls)
    }

    @Test("revisions come in order with their deletions")
    func revisions() throws {
        var revisions: [StoredRevision] = []
        try contents("kubernetes-3.5.16").forEachRevision { revisions.append($0) }
        #expect(revisions.map(\.revision) == revisions.map(\.revision).sorted())
        #expect(revisions.count { $0.isTombstone } == 15)
        #expect(revisions.last?.revision.main == 31)
        let again = revisions.filter { $0.key == Array("/registry/pods/default/web-0".utf8) }
        #expect(again.map(\.version) == [1, 0, 1])
        #expect(again.map(\.isTombstone) == [false, true, false])
    }

    @Test("leases are named with the keys that end with them")
    func leases() throws {
        var leases: Set<Int64> = []
        try contents("leases-3.5.16").forEachLiveKey { leases.insert($0.lease) }
        #expect(leases.count == 19 && !leases.contains(0))
    }

    @Test("values are read whole or in part, also those longer than a page")
    func values() throws {
        let contents = try contents("large-values-3.4.23")
        var found: [String: StoredRevision] = [:]
        try contents.forEachLiveKey { found[String(decoding: $0.key, as: UTF8.self)] = $0 }
        let plain = try #require(found["plain"])
        #expect(try contents.value(of: plain, atMost: 100) == Array("x".utf8))
        let big = try #require(found["/registry/configmaps/default/big"])
        #expect(big.valueLength == 70_000)
        #expect(try contents.value(of: big, atMost: 70_000).count == 70_000)
        #expect(try contents.value(of: big, atMost: 10).count == 10)
        #expect(found.keys.contains { $0.utf8.count == 3_000 })
    }

    @Test("an object tells its kind, name and UID in each encoding")
    func objects() throws {
        let contents = try contents("kubernetes-3.5.16")
        var found: [String: StoredRevision] = [:]
        try contents.forEachLiveKey { found[String(decoding: $0.key, as: UTF8.self)] = $0 }
        let pod = try contents.object(of: #require(found["/registry/pods/shop/web-1"]))
        #expect(pod.encoding == .protobuf && pod.kind == "Pod" && pod.apiVersion == "v1")
        #expect(pod.name == "web-1" && pod.namespace == "shop" && pod.uid?.count == 36)
        let widget = try contents.object(of: #require(found["/registry/example.com/widgets/shop/blue"]))
        #expect(widget.encoding == .json && widget.kind == "Widget" && widget.name == "blue" && widget.uid?.count == 36)
        let secret = try contents.object(of: #require(found["/registry/secrets/shop/db-password"]))
        #expect(secret.encoding == .encrypted(provider: "aescbc") && secret.uid == nil)
        let other = try contents.object(of: #require(found["compact_rev_key"]))
        #expect(other.encoding == .unknown)
    }

    @Test("contents of another file than the verified one are refused")
    func swapped() throws {
        let report = try SnapshotVerifier().verify(MemoryBytes(Fixture("empty-3.5.16").bytes))
        #expect(throws: SnapshotProblem(.changedWhileRead)) {
            try SnapshotContents(of: MemoryBytes(Fixture("kubernetes-3.5.16").bytes), verifiedAs: report)
        }
    }

    @Test(
        "paths of the registry are taken apart",
        arguments: [
            ("/registry/pods/default/web", RegistryPath(nil, "pods", "default", "web")),
            ("/registry/minions/node1", RegistryPath(nil, "minions", nil, "node1")),
            ("/registry/services/endpoints/a/b", RegistryPath(nil, "services/endpoints", "a", "b")),
            ("/registry/apps.example.com/widgets/ns/n", RegistryPath("apps.example.com", "widgets", "ns", "n")),
            (
                "/registry/apiregistration.k8s.io/apiservices/v1.apps",
                RegistryPath("apiregistration.k8s.io", "apiservices", nil, "v1.apps")
            ),
            ("/registry/health", RegistryPath(nil, "health", nil, nil)),
            ("/registry/", nil), ("/registr", nil), ("/other/pods/a/b", nil), ("/registry//x", nil),
        ]
    )
    func registryPaths(_ key: String, _ expected: RegistryPath?) {
        #expect(RegistryPath(key: Array(key.utf8), prefix: "/registry/") == expected)
    }
}

extension RegistryPath {
    fileprivate init(_ group: String?, _ resource: String, _ namespace: String?, _ name: String?) {
        self.init(group: group, resource: resource, namespace: namespace, name: name)
    }
}

@testable import EtcdSnapshot
import Testing

@Suite("Looking into a snapshot")
struct InspectionTests {
    static func contents(_ name: String) throws -> SnapshotContents {
        try contents(bytes: Fixture(name).bytes)
    }

    static func contents(bytes: [UInt8]) throws -> SnapshotContents {
        let source = MemoryBytes(bytes)
        return try SnapshotContents(of: source, verifiedAs: SnapshotVerifier().verify(source))
    }

    @Test("the counts are those of the server, of every stored change and of the registry", arguments: Fixture.all)
    func counts(_ fixture: Fixture) throws {
        let contents = try Self.contents(bytes: fixture.bytes)
        let inspection = try contents.inspection(top: 5)
        #expect(inspection.liveKeys == fixture.expected.liveKeys)
        #expect(inspection.registry.objects == fixture.expected.liveRegistryKeys)
        #expect(inspection.registry.objects + inspection.registry.otherKeys == inspection.liveKeys)
        var changes: [StoredRevision] = []
        try contents.forEachRevision { changes.append($0) }
        #expect(inspection.revisions == changes.count)
        #expect(inspection.tombstones == changes.count { $0.isTombstone })
        #expect(inspection.oldest == changes.first?.revision && inspection.newest == changes.last?.revision)
        #expect(inspection.storedBytes == changes.reduce(0) { $0 + UInt64($1.valueLength) })
        var live: [StoredRevision] = []
        try contents.forEachLiveKey { live.append($0) }
        #expect(inspection.liveBytes == live.reduce(0) { $0 + UInt64($1.valueLength) })
        #expect(inspection.leasedKeys == live.count { $0.lease != 0 })
        let sizes = live.map(\.valueLength).sorted(by: >)
        #expect(inspection.largest.map(\.bytes) == Array(sizes.prefix(5)))
    }

    @Test("in several parts the answer is the same", arguments: [2, 3, 7])
    func parts(_ parts: Int) throws {
        let contents = try Self.contents("kubernetes-3.5.16")
        let whole = try contents.inspection()
        let divided = try contents.inspection(parts: parts)
        #expect(divided.registry.rows == whole.registry.rows && divided.revisions == whole.revisions)
        #expect(divided.liveKeys == whole.liveKeys && divided.liveBytes == whole.liveBytes)
        #expect(divided.largest.map(\.bytes) == whole.largest.map(\.bytes))
        let newer = try Self.contents("night-two-3.5.16")
        let one = try contents.difference(to: newer, limit: 1_000)
        let many = try contents.difference(to: newer, limit: 1_000, parts: parts)
        #expect(one == many && one.totals.removed > 50 && one.totals.added > 5)
    }

    @Test("namespaces are listed by what they take")
    func namespaces() throws {
        let rows = try Self.contents("night-one-3.5.16").inspection().registry.rowsByNamespace
        #expect(rows.map(\.namespace) == ["shop", "kube-node-lease"])
        #expect(rows.map(\.objects) == [16, 3])
        #expect(rows.map(\.bytes) == rows.map(\.bytes).sorted(by: >))
    }

    @Test("a key's value is found as of any kept revision, and its deletion", arguments: ["3.4.23", "3.5.16"])
    func history(_ version: String) throws {
        let contents = try Self.contents("kubernetes-\(version)")
        let key = Array("/registry/pods/default/web-0".utf8)
        let newest = try contents.history(of: key)
        #expect(newest.kept.count == 3 && newest.changes == 3)
        let found = try #require(newest.found)
        #expect(found.revision.main == 31 && !found.isTombstone)
        let deleted = try #require(try contents.history(of: key, at: 30).found)
        #expect(deleted.isTombstone && deleted.revision.main == newest.kept[1])
        let first = try #require(try contents.history(of: key, at: deleted.revision.main - 1).found)
        #expect(first.revision.main == 2 && first.version == 1)
        #expect(try contents.history(of: key, at: 1).found == nil)
    }

    @Test("of a key that is not there the longer ones are named, at most eight")
    func absentKey() throws {
        let contents = try Self.contents("kubernetes-3.5.16")
        let some = try contents.history(of: Array("/registry/minions/node".utf8))
        #expect(some.found == nil && some.changes == 0)
        #expect(Set(some.longerKeys.map { String(decoding: $0, as: UTF8.self) }).count == 3)
        #expect(try contents.history(of: Array("/registry/pods/".utf8)).longerKeys.count == 8)
        #expect(try contents.history(of: Array("/registry/none".utf8)) == KeyHistory())
    }

    @Test("only the newest of many versions counts as live, the others as history")
    func versions() throws {
        let history = try Self.contents("transactions-3.4.23").history(of: Array("counter".utf8))
        #expect(history.changes == 1)
        #expect(history.found?.version == 200)
    }

    @Test("a page that was damaged after the verification is refused, not misread")
    func damagedAfterwards() throws {
        let whole = try Fixture("overflow-3.5.16").bytes
        let report = try SnapshotVerifier().verify(MemoryBytes(whole))
        let sound = try SnapshotContents(of: MemoryBytes(whole), verifiedAs: report).inspection()
        var refused = 0
        for page in 2..<(whole.count / 4_096) {
            var bytes = whole
            bytes[page * 4_096] ^= 1
            do throws(SnapshotProblem) {
                // A page that is free, or inside a value, is no part of the tree.
                let found = try SnapshotContents(of: MemoryBytes(bytes), verifiedAs: report).inspection()
                #expect(found == sound, "page \(page)")
            } catch {
                refused += 1
            }
        }
        #expect(refused >= 4)
    }
}

@Suite("What differs between two snapshots")
struct DifferenceTests {
    private func difference(
        _ old: String,
        _ new: String,
        under: String = "",
        limit: Int = 100
    ) throws -> SnapshotDifference {
        try InspectionTests.contents(old).difference(to: InspectionTests.contents(new), under: under, limit: limit)
    }

    private func lines(_ difference: SnapshotDifference) -> [String] {
        difference.items.map { "\($0.change) \(String(decoding: $0.key, as: UTF8.self))" }
    }

    @Test(
        "what is gone, what is new and what changed, in this order, leases and events last",
        arguments: [
            "3.4.23", "3.5.16",
        ]
    )
    func nights(_ version: String) throws {
        let difference = try difference("night-one-\(version)", "night-two-\(version)")
        #expect(
            lines(difference) == [
                "removed /registry/deployments/shop/web", "removed /registry/pods/shop/web-0",
                "added /registry/pods/shop/web-12", "added /registry/events/shop/e1", "changed /compact_rev_key",
                "changed /registry/pods/shop/web-1", "changed /registry/secrets/shop/token",
                "changed /registry/leases/kube-node-lease/node0", "changed /registry/leases/kube-node-lease/node1",
                "changed /registry/leases/kube-node-lease/node2",
            ]
        )
        #expect(difference.totals.rewritten == 1)
        #expect(difference.unchanged == 22 - 2 - 6 - 1)
        #expect(difference.unlisted == 0)
        let pods = try #require(difference.rowsByResource.first { $0.resource == "pods" })
        #expect(pods.totals.removed == 1 && pods.totals.added == 1 && pods.totals.changed == 1)
        let changed = try #require(difference.items.first { $0.key.ends(with: "web-1") })
        #expect(try #require(changed.before).revision < #require(changed.after).revision)
    }

    @Test("the other way round, what was added is what was removed")
    func reversed() throws {
        let there = try difference("night-one-3.5.16", "night-two-3.5.16")
        let back = try difference("night-two-3.5.16", "night-one-3.5.16")
        #expect(there.totals.added == back.totals.removed && there.totals.removed == back.totals.added)
        #expect(there.totals.changed == back.totals.changed && there.totals.rewritten == back.totals.rewritten)
        let removed = there.items.filter { $0.change == .removed }.map(\.key)
        #expect(removed == back.items.filter { $0.change == .added }.map(\.key))
    }

    @Test("the limit bounds the list and not the totals, and keeps what stands first")
    func limit() throws {
        let whole = try difference("night-one-3.5.16", "night-two-3.5.16")
        for limit in [0, 1, 3, 9, 10] {
            let part = try difference("night-one-3.5.16", "night-two-3.5.16", limit: limit)
            #expect(part.items.count == limit && part.unlisted == 10 - limit)
            #expect(lines(part) == Array(lines(whole).prefix(limit)))
            #expect(part.totals == whole.totals)
        }
    }

    @Test("only what lies under a key is compared when asked")
    func under() throws {
        let pods = try difference("night-one-3.5.16", "night-two-3.5.16", under: "/registry/pods/")
        #expect(pods.totals.all == 3 && pods.totals.rewritten == 0 && pods.unchanged == 10)
        let none = try difference("night-one-3.5.16", "night-two-3.5.16", under: "/nothing")
        #expect(none.totals.all == 0 && none.unchanged == 0)
    }

    @Test("a snapshot does not differ from itself", arguments: Fixture.all)
    func identity(_ fixture: Fixture) throws {
        let difference = try difference(fixture.name, fixture.name)
        #expect(difference.totals == SnapshotDifference.Totals())
        #expect(difference.unchanged == fixture.expected.liveKeys)
    }

    @Test("against an empty snapshot everything is new, or gone", arguments: Fixture.small)
    func empty(_ fixture: Fixture) throws {
        let new = try difference("empty-3.5.16", fixture.name, limit: 1_000)
        #expect(new.totals.added == fixture.expected.liveKeys && new.totals.all == new.totals.added)
        let gone = try difference(fixture.name, "empty-3.5.16", limit: 1_000)
        #expect(gone.totals.removed == fixture.expected.liveKeys && gone.totals.all == gone.totals.removed)
        #expect(gone.items.map(\.key) == new.items.map(\.key))
    }
}

extension [UInt8] {
    fileprivate func ends(with text: String) -> Bool { Array(suffix(text.utf8.count)) == Array(text.utf8) }
}

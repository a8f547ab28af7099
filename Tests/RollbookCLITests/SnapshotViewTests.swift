import EtcdSnapshot
import Foundation
import Journal
import TestSupport
import Testing

@testable import RollbookCLI

/// Snapshots of real etcd servers, kept with the tests of the module that reads them.
private enum Snapshots {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "EtcdSnapshotTests/Fixtures")

    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()

    static func open(_ name: String) throws -> (report: SnapshotReport, contents: SnapshotContents) {
        let file = try SnapshotFile(path: folder.appending(path: "\(name).db").path)
        let report = try SnapshotVerifier().verify(file)
        return (report, try SnapshotContents(of: file, verifiedAs: report))
    }
}

@Suite("What a look into a snapshot says")
struct SnapshotViewTests {
    private static let goldens = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "Fixtures/inspect"
    )

    private func expectGolden(_ text: String, _ name: String) throws {
        let difference = try GoldenFile(Self.goldens.appending(path: name)).difference(from: Array((text + "\n").utf8))
        #expect(difference == nil)
    }

    private func inspection(_ name: String) throws -> InspectionView {
        let (report, contents) = try Snapshots.open(name)
        return InspectionView(
            label: "\(name).db",
            report: report,
            inspection: try contents.inspection(top: 4),
            recorded: nil,
            top: 4,
            took: nil
        )
    }

    private func difference(_ before: String, _ after: String, limit: Int = 50) throws -> DifferenceView {
        let old = try Snapshots.open(before)
        let new = try Snapshots.open(after)
        func side(_ name: String, _ report: SnapshotReport) -> DifferenceView.Side {
            DifferenceView.Side(
                label: "\(name).db",
                revision: report.revision,
                kubeSystemUID: report.kubeSystemUID,
                etcdClusterID: nil
            )
        }
        return DifferenceView(
            before: side(before, old.report),
            after: side(after, new.report),
            difference: try old.contents.difference(to: new.contents, limit: limit),
            prefix: "/registry/"
        )
    }

    @Test("every fixture is told as reviewed", arguments: Snapshots.names)
    func inspect(_ name: String) throws {
        #expect(Snapshots.names.count >= 36)
        try expectGolden(try inspection(name).text, "\(name).txt")
    }

    @Test("the release that wrote a snapshot is told by what it left in it", arguments: Snapshots.names)
    func format(_ name: String) throws {
        let expected: [(String, String)] = [("3.4.23", "3.4"), ("3.5.", "3.5"), ("3.6", "3.6.0")]
        guard let known = expected.first(where: { name.contains($0.0) }) else { return }
        #expect(InspectionView.format(of: try Snapshots.open(name).report) == known.1)
    }

    @Test("two nights, as text and as JSON, as reviewed")
    func nights() throws {
        let view = try difference("night-one-3.5.16", "night-two-3.5.16")
        try expectGolden(view.text, "nights-diff.txt")
        try expectGolden(String(decoding: CanonicalJSON.bytes(of: view.json), as: UTF8.self), "nights-diff.json.txt")
        try expectGolden(
            String(decoding: CanonicalJSON.bytes(of: try inspection("night-two-3.5.16").json), as: UTF8.self),
            "night-two.json.txt"
        )
        #expect(view.isSameCluster == true && view.notes.isEmpty)
        #expect(
            try difference("night-one-3.5.16", "night-two-3.5.16", limit: 3).text.contains("and 7 more (--limit 10)")
        )
    }

    @Test("snapshots of two clusters, in the wrong order, or without an identity are said to be so")
    func notes() throws {
        #expect(try difference("night-one-3.4.23", "night-one-3.5.16").isSameCluster == false)
        let reversed = try difference("night-two-3.5.16", "night-one-3.5.16")
        #expect(reversed.notes.contains { $0.contains("older") })
        let unknown = try difference("deletions-3.5.16", "night-one-3.5.16")
        #expect(unknown.isSameCluster == nil && unknown.notes.contains { $0.contains("cannot be told") })
    }

    @Test("no value of a Secret is in any answer", arguments: ["3.4.23", "3.5.16"])
    func noSecrets(_ version: String) throws {
        let view = try inspection("night-two-\(version)")
        let difference = try difference("night-one-\(version)", "night-two-\(version)")
        for text in [
            view.text, String(decoding: CanonicalJSON.bytes(of: view.json), as: UTF8.self), difference.text,
            String(decoding: CanonicalJSON.bytes(of: difference.json), as: UTF8.self),
        ] {
            #expect(!text.contains("hunter"))
        }
        #expect(difference.text.contains("token"))
    }
}

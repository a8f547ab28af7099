@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Glibc
import Testing

@Suite("Space on the disk", .serialized)
struct SpaceTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    @Test("a snapshot that would not fit is refused before the start, with both numbers (K23)")
    func required() throws {
        let store = try sandbox.store()
        try store.requireSpace(databaseBytes: [1 << 20])
        let huge: Int64 = 1 << 50
        let error = #expect(throws: BackupError.self) { try store.requireSpace(databaseBytes: [huge]) }
        guard case .noSpace(_, let needed, let free) = error else { throw Failure("\(String(describing: error))") }
        #expect(needed == huge * 2 + huge / 5 + 64 << 20 && free < needed)
        #expect(error?.code == .storage)
    }

    @Test(
        "a disk that fills while staging: 12, staging removed, the published set untouched (B13)",
        .enabled(if: geteuid() == 0)
    )
    func full() async throws {
        let place = sandbox.path + "/small"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        try #require(unsafe mount("tmpfs", place, "tmpfs", 0, "size=256k,mode=0700") == 0)
        defer { _ = unsafe umount2(place, Int32(MNT_DETACH)) }
        let store = try BackupStore(root: place + "/backups", cluster: Sandbox.cluster)
        let earlier = ClusterSupply.id(1)
        try await ClusterSupply.publish(earlier, in: store)

        let id = ClusterSupply.id(2)
        let staged = try store.beginStaging(id)
        let file = try staged.create(.snapshot(of: ClusterSupply.master1))
        var failure: BackupError?
        for _ in 0..<100 {
            do {
                try ClusterSupply.append([UInt8](repeating: 7, count: 8192), to: file)
            } catch let error as BackupError {
                failure = error
                break
            }
        }
        guard case .storage(_, "write", ENOSPC) = failure else { throw Failure("\(String(describing: failure))") }
        let full = try #require(failure)
        #expect(full.code == .storage)
        #expect(full.message.description.contains("none was deleted to make room"))
        #expect(throws: full) { try file.finish() }
        #expect(throws: full) { try ClusterSupply.append([1], to: file) }
        #expect(throws: BackupError.self) { try staged.publish(ClusterSupply.manifest(id)) }
        try staged.discard()
        let catalogue = try store.catalogue()
        #expect(catalogue.staging.isEmpty && catalogue.sets.map(\.id) == [earlier])
        #expect(try await store.verify(earlier, level: 2).reached == 2)
    }
}

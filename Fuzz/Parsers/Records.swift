import BackupStore
import ClusterModel
import FoundationEssentials
import Journal
import RunEngine
import SystemPackage

/// What a plan says is what it says again after it was written anew.
func feedPlan(_ bytes: [UInt8]) {
    guard let plan = try? Plan.read(bytes, from: "plan.json") else { return }
    guard let written = try? plan.bytes(), let again = try? Plan.read(written, from: "plan.json") else {
        preconditionFailure("a plan that was read cannot be written and read again")
    }
    precondition(again == plan)
}

/// Every accepted record stands in the bytes as it was; what is left over is an end that was cut off.
func feedJournal(_ bytes: [UInt8]) {
    guard let scan = try? JournalScan(bytes) else { return }
    precondition(scan.goodLength + scan.torn.count == bytes.count)
    precondition(scan.records.indices.allSatisfy { scan.records[$0].number == $0 + 1 })
    guard scan.goodLength > 0, let good = try? JournalScan(Array(bytes[..<scan.goodLength])) else { return }
    precondition(good.records == scan.records && good.torn.isEmpty)
}

func feedManifest(_ bytes: [UInt8]) {
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)) else { return }
    for file in manifest.files { _ = file.name?.storedLeaf(file.encryption) }
    guard let written = try? JSONEncoder().encode(manifest),
        let again = try? JSONDecoder().decode(Manifest.self, from: written)
    else { preconditionFailure("a manifest that was read cannot be written and read again") }
    precondition(again == manifest)
}

/// Archives lie on disk, so the bytes go into a file without a name.
func feedTar(_ bytes: [UInt8]) {
    let path = FilePath("/tmp")
    guard
        let file = try? FileDescriptor.open(
            path,
            .readWrite,
            options: FileDescriptor.OpenOptions(rawValue: FileDescriptor.OpenOptions.directory.rawValue | 0o20000000),
            permissions: .ownerReadWrite
        )
    else { preconditionFailure("no file without a name can be made in \(path)") }
    defer { try? file.close() }
    guard (try? file.writeAll(bytes)) == bytes.count else { return }
    var reader = TarReader(file: file)
    guard let entries = try? reader.entries() else { return }
    precondition(entries.count <= bytes.count / 512)
}

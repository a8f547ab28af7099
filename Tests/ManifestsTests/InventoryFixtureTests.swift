import Manifests
import Testing

@Suite("Inventory fixtures")
struct InventoryFixtureTests {
    private static let folder = FixtureFolder("inventory")

    @Test("the folder has its cases")
    func folderIsFound() { #expect(Self.folder.cases.count >= 40) }

    @Test("an inventory gives exactly the expected text", arguments: folder.cases)
    func matches(_ name: String) throws {
        let text = describe(inventory: try Self.folder.input(name), path: "\(name).yaml")
        if FixtureFolder.isRecording {
            try Self.folder.record(text, for: name)
        } else {
            #expect(try text == Self.folder.expected(name))
        }
    }
}

import RollbookCLI

/// The program: everything else lives in `RollbookCLI`.
@main
enum Entry {
    static func main() async { await Rollbook.main() }
}

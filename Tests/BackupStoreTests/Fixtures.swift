/// The folder of recorded files beside this one.
enum Fixtures {
    static let path = String(#filePath.dropLast("/Fixtures.swift".utf8.count)) + "/Fixtures"
}

import Foundation
import Glibc

/// Another program, for what a test must not do within its own process.
enum Program {
    /// Runs a program to its end.
    static func run(_ path: String, _ arguments: String...) throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
    }

    /// Starts a shell script and returns once it has printed a line.
    static func start(_ script: String, _ arguments: String...) throws -> Running {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, "sh"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        _ = output.fileHandleForReading.availableData
        return Running(process: process)
    }

    /// A process a test started and ends.
    struct Running {
        let process: Process

        /// SIGKILL, and waits for the end.
        func kill() {
            _ = Glibc.kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }
}

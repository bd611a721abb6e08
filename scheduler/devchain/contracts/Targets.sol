// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Counts who called how often: a scheduled call shall have called once.
contract Counter {
    event Hit(address indexed caller, uint256 total, uint256 blockNumber);

    uint256 public total;
    mapping(address caller => uint256) public hits;

    function hit() external payable {
        ++hits[msg.sender];
        emit Hit(msg.sender, ++total, block.number);
    }
}

/// Refuses every call.
contract Reverter {
    fallback() external payable {
        revert("Reverter");
    }
}

/// Uses up gas, to fill blocks.
contract GasGuzzler {
    /// Burns `amount` gas besides the transaction's own.
    function burn(uint256 amount) external {
        // An invalid instruction takes all the gas of its call, at no cost for the node.
        (bool ignored,) = address(this).call{gas: amount}(abi.encodeCall(this.explode, ()));
        ignored;
    }

    function explode() external pure {
        assembly {
            invalid()
        }
    }
}

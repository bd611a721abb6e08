-- name: of
SELECT subject, block_number, block_hash, found FROM searches
WHERE chain = :chain AND contract = :contract;

-- name: note
INSERT INTO searches (chain, contract, subject, block_number, block_hash, found)
VALUES (:chain, :contract, :subject, :number, :block, :found)
ON CONFLICT DO UPDATE SET block_number = excluded.block_number,
    block_hash = excluded.block_hash, found = excluded.found;

-- name: keep
DELETE FROM searches
WHERE chain = :chain AND contract = :contract
  AND subject NOT IN (SELECT value FROM json_each(:subjects));
